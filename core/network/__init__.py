"""Small smooth networks: fitted to values and derivatives, differentiated exactly.

`fit_network(x, y, gradient=..., second=..., params=...)` returns a `NetworkFit`: its `network` has
`value`, `gradient`, `hessian_diagonal`, `hessian`, `laplacian` and `derivatives` (the first three
from one pass) with respect to x, in the units of y and x, and `to_dict` and `from_dict` to keep it
as JSON. `NetworkParams` holds every option.
"""

from core.network.network import Network
from core.network.params import NetworkParams
from core.network.training import ConvergenceWarning, NetworkFit, fit_network

__all__ = ["ConvergenceWarning", "Network", "NetworkFit", "NetworkParams", "fit_network"]
