"""State in a module of its own."""

from steps import mix

done = 0
checksum = 0


def open_entry():
    global done
    done += 1


def close_entry(value):
    global checksum
    checksum = mix(checksum, value)
