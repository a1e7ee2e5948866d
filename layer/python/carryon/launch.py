"""Start the runtime's command with a supervisor beside it: `python launch.py python COMMAND...`.

Python never caches the bytecode of the script it is given, so this file only finds the package and hands over.
"""

import sys


def _launch() -> None:
    # Without -P the interpreter has put this folder, whose modules are nobody's top-level ones, on the path.
    folder_on_path = not (sys.flags.isolated or getattr(sys.flags, "safe_path", False))
    if folder_on_path:
        del sys.path[0]
    package_parent = __file__.rpartition("/")[0].rpartition("/")[0]
    sys.path.insert(0, package_parent)
    try:
        from carryon.startup import run
    except Exception as error:
        # A layer that is damaged is no reason for the function not to run.
        import os

        sys.stderr.write(f"carryon: the layer is not usable and left out: {error!r}\n")
        os.execv(sys.argv[1], sys.argv[1:])
    sys.path.remove(package_parent)
    sys.path_importer_cache.pop(package_parent, None)
    run(sys.argv[1:], __file__, folder_on_path)


_launch()
