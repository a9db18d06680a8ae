import os
import signal

# A shell that starts the tests in the background makes them, and all they start, deaf to Ctrl-C.
signal.signal(signal.SIGINT, signal.default_int_handler)

# Threads of the BLAS that wait for each other on a busy machine slow small products 30-fold; these
# are read when NumPy is first loaded, which is later.
for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(name, "1")
