"""What scikit-learn's tools ask of an estimator, without scikit-learn.

Its own classes are needed only where it is itself the caller, and is then loaded already.
"""

import inspect
import sys
from typing import Any, Self


def theirs(module: str, name: str, ours: Any) -> Any:  # noqa: ANN401
    """Return a class of scikit-learn's if it is loaded, else ours."""
    return getattr(sys.modules.get(f"sklearn.{module}"), name, ours)


class NotFittedError(ValueError, AttributeError):
    """A model was asked before it was fitted."""


class ColumnVectorWarning(UserWarning):
    """Labels came as a column where a flat array is expected."""


class Parameters:
    """Parameters by name, as the arguments of `__init__` give them."""

    @classmethod
    def _names(cls) -> list[str]:
        return [name for name in inspect.signature(cls.__init__).parameters if name != "self"]

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the parameters by name; none is an estimator, so that `deep` changes nothing."""
        return {name: getattr(self, name) for name in self._names()}

    def set_params(self, **params: Any) -> Self:  # noqa: ANN401
        """Set parameters by name.

        Raises
        ------
        ValueError
            If there is none of that name.
        """
        for name, value in params.items():
            if name not in self._names():
                raise ValueError(
                    f"Invalid parameter {name!r} for estimator {self!r}. Valid parameters are: "
                    f"{self._names()!r}."
                )
            setattr(self, name, value)
        return self

    def __repr__(self) -> str:
        defaults = inspect.signature(type(self).__init__).parameters
        changed = [
            f"{name}={value!r}"
            for name, value in self.get_params().items()
            if repr(value) != repr(defaults[name].default)
        ]
        return f"{type(self).__name__}({', '.join(changed)})"

    def __sklearn_tags__(self) -> Any:  # noqa: ANN401
        """Tell scikit-learn what this is; nobody else calls it."""
        utils = sys.modules["sklearn.utils"]
        return utils.Tags(
            estimator_type="classifier",
            target_tags=utils.TargetTags(required=True),
            classifier_tags=utils.ClassifierTags(),
            input_tags=utils.InputTags(sparse=True),
        )

    def __sklearn_is_fitted__(self) -> bool:
        """Say whether there is something to predict with."""
        return hasattr(self, "coef_")

    def _require_fitted(self) -> None:
        if not self.__sklearn_is_fitted__():
            error = theirs("exceptions", "NotFittedError", NotFittedError)
            raise error(
                f"This {type(self).__name__} instance is not fitted yet. Call 'fit' with "
                "appropriate arguments before using this estimator."
            )
