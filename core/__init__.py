"""Numerics on plain NumPy arrays: no Dask, no xarray, no Zarr, no Prefect."""
