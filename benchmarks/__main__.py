"""Run every benchmark: `make bench`."""

from benchmarks import memory, piqe

for module in (piqe, memory):
    print(f"\n{module.__name__}: {(module.__doc__ or '').splitlines()[0]}")
    module.main()
