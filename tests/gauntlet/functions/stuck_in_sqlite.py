import os
import sqlite3
import tempfile

import app

ENDLESS = "with recursive n(i) as (select 1 union all select i + 1 from n) select count(*) from n"


def long_query(event):
    connection = sqlite3.connect(":memory:")
    app.at_it()
    return connection.execute(ENDLESS).fetchone()


def lock_wait(event):
    with tempfile.TemporaryDirectory() as folder:
        file = os.path.join(folder, "database")
        one = sqlite3.connect(file)
        one.execute("begin exclusive")
        app.at_it()
        sqlite3.connect(file, timeout=60).execute("begin exclusive")
