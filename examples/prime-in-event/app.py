"""Find the n-th prime from where the event says: the function's globals are set from its event at entry."""

count = 0
candidate = 1


def handler(event, context):
    """Return the event's n-th prime; `count` primes are known up to and including `candidate`."""
    global count, candidate
    count = event.get("count", 0)
    candidate = event.get("candidate", 1)
    while count < event["n"]:
        found = is_prime(candidate + 1)
        count, candidate = count + found, candidate + 1
    return {"n": event["n"], "prime": candidate}


def is_prime(number):
    """Try every divisor up to the square root."""
    divisor = 2
    while divisor * divisor <= number:
        if number % divisor == 0:
            return False
        divisor += 1
    return True
