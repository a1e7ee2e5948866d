def fn(event, context):
    return __name__


class Holder:
    @staticmethod
    def fn(event, context):
        return "held"
