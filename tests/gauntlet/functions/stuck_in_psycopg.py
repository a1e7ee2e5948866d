import app
import psycopg


def pg_sleep(event):
    with psycopg.connect(event["postgres"]) as connection:
        app.at_it()
        connection.execute("select pg_sleep(60)")


def pg_lock(event):
    with psycopg.connect(event["postgres"]) as one, psycopg.connect(event["postgres"]) as other:
        one.execute("select pg_advisory_xact_lock(1)")
        app.at_it()
        other.execute("select pg_advisory_xact_lock(1)")
