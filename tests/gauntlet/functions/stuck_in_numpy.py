import app
import numpy as np


def matmul(event):
    # Whole numbers take no BLAS and a minute.
    square = np.ones((4000, 4000), dtype=np.int64)
    app.at_it()
    return int((square @ square)[0, 0])
