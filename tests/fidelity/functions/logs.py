"""What handlers write."""

import logging
import os
import sys
import threading

print("printed at import")
logging.getLogger("at import").error("logged at import")


def prints(event, context):
    print("to stdout")
    print("two\nlines")
    print("no end", end="")
    sys.stdout.flush()
    print()
    print("to stderr", file=sys.stderr)
    os.write(1, b"written\n")
    return repr((type(sys.stdout).__name__, type(sys.stderr).__name__, sys.stdout.encoding))


def logs(event, context):
    logger = logging.getLogger()
    for level in (logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR, logging.CRITICAL):
        logger.log(level, "at %s", level)
    logging.getLogger("named").warning("from a named logger", extra={"order": 7})
    return [logger.level, [type(handler).__name__ for handler in logger.handlers]]


def logs_exception(event, context):
    try:
        {}["missing"]
    except KeyError:
        logging.getLogger().exception("with a traceback")


def logs_in_thread(event, context):
    thread = threading.Thread(target=logging.getLogger().error, args=("from a thread",))
    thread.start()
    thread.join()


def fails_in_thread(event, context):
    thread = threading.Thread(target=lambda: 1 / 0, name="worker")
    thread.start()
    thread.join()


def own_logging(event, context):
    logger = logging.getLogger("own")
    logger.propagate = False
    logger.handlers[:] = [logging.StreamHandler(sys.stdout)]
    logger.handlers[0].setFormatter(logging.Formatter("%(levelname)s %(funcName)s %(lineno)d %(message)s"))
    logger.warning("formatted by the function")


def logs_stack(event, context):
    logging.getLogger().warning("with a stack", stack_info=True)
