"""Find the n-th prime by trial division. Written without a thought of Lambda's timeout."""

count = 0
candidate = 1


def handler(event, context):
    """Return the event's n-th prime; `count` primes are known up to and including `candidate`."""
    global count, candidate
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
