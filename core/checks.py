"""Parameters that come from people: refused in words that name the field and what is allowed."""

from typing import Any, TypeVar, get_args

import numpy as np

Kind = TypeVar("Kind")


def require_choice(field: str, value: Any, choices: Any) -> None:  # noqa: ANN401
    """Refuse a parameter that is none of a Literal's words, naming its field.

    Parameters
    ----------
    field : str
        Name of the parameter, for the message.
    value : object
        What came.
    choices : Literal, or a Literal | None
        What is allowed.

    Raises
    ------
    ValueError
        If `value` is another.

    Examples
    --------
    >>> from typing import Literal
    >>> require_choice("precision", "half", Literal["double", "fast"])
    Traceback (most recent call last):
    ValueError: precision must be double or fast, got 'half'
    """
    words = [word for part in get_args(choices) for word in get_args(part) or (part,)]
    allowed = [None if word is type(None) else word for word in words]
    if value not in allowed:
        raise ValueError(f"{field} must be {' or '.join(map(str, allowed))}, got {value!r}")


def require_number(field: str, value: float, smallest: float, largest: float) -> float:
    """Return a parameter as a float; refuse what is no number or out of range, naming its field.

    Parameters
    ----------
    field : str
        Name of the parameter, for the message.
    value : float
        What came.
    smallest, largest : float
        The closed range that is allowed.

    Returns
    -------
    float
        The same number.

    Raises
    ------
    ValueError
        If `value` is not a real number within the range.

    Examples
    --------
    >>> require_number("sigma", 0, 0.1, 100)
    Traceback (most recent call last):
    ValueError: sigma must be a number from 0.1 to 100, got 0
    """
    number = isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(
        value, bool
    )
    if not number or not smallest <= value <= largest:
        raise ValueError(
            f"{field} must be a number from {smallest:g} to {largest:g}, got {value!r}"
        )
    return float(value)


def require_integer(
    field: str, value: object, smallest: int, largest: int, otherwise: str = ""
) -> int:
    """Return a whole number of a range as Python's; refuse another value, naming its field.

    Parameters
    ----------
    field : str
        Name of the parameter, for the message.
    value : int
        What came.
    smallest, largest : int
        The closed range that is allowed.
    otherwise : str, optional
        What else is allowed, for the message.

    Returns
    -------
    int
        The same number.

    Raises
    ------
    ValueError
        If `value` is no integer within the range.

    Examples
    --------
    >>> require_integer("degree", 3, 0, 2)
    Traceback (most recent call last):
    ValueError: degree must be a whole number from 0 to 2, got 3
    """
    whole = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
    if not whole or not smallest <= value <= largest:  # type: ignore[operator]
        raise ValueError(
            f"{field} must be a whole number from {smallest} to {largest}{otherwise}, got {value!r}"
        )
    return int(value)  # type: ignore[call-overload, no-any-return]


def require_params(params: Kind | None, kind: type[Kind]) -> Kind:
    """Return parameters, those by default for None; refuse what is of another class.

    Raises
    ------
    ValueError
        Naming the class that is needed.

    Examples
    --------
    >>> require_params("fast", dict)
    Traceback (most recent call last):
    ValueError: params must be dict or None, got 'fast'
    """
    if params is None:
        return kind()
    if not isinstance(params, kind):
        raise ValueError(f"params must be {kind.__name__} or None, got {params!r}")
    return params
