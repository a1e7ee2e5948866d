"""Start the runtime client as the platform's own script of this name does, in miniature.

What matters to a function is kept: where modules are found and in which order, `.pth` files of the function and of
layers, PYTHONPATH for children, and that layers are left out once PYTHONPATH is set. OPT_FOLDER stands for /opt.
"""

import os
import site
import sys


def main():
    task_root = os.environ["LAMBDA_TASK_ROOT"]
    layers = os.environ["OPT_FOLDER"] + "/python"
    version = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    search = [task_root]
    if "PYTHONPATH" not in os.environ:
        search += [f"{layers}/lib/{version}/site-packages", layers]
    sys.path[:0] = search
    for folder in search:
        site.addsitedir(folder)
    os.environ.setdefault("PYTHONPATH", os.environ["LAMBDA_RUNTIME_DIR"])

    from awslambdaric.__main__ import main as run_client

    run_client([task_root, os.environ["_HANDLER"]])


if __name__ == "__main__":
    main()
