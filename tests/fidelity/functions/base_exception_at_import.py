raise BaseException("at import")
