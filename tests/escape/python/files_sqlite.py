# Attaches a file of the host as a database, loads it as an extension, reads it with SQL functions.
# Known from: SQLite injection techniques (ATTACH, load_extension, readfile, VACUUM INTO).
# expect: success
import sqlite3

database = sqlite3.connect(":memory:")
for statement in (
    "attach '{{WITNESS}}' as host",
    "attach 'file:{{WITNESS}}?mode=ro' as host2",
    "select * from host.sqlite_master",
    "select load_extension('{{WITNESS}}')",
    "select readfile('{{WITNESS}}')",
    "select writefile('{{MARK}}', 'x')",
    "vacuum into '{{MARK}}'",
    "pragma temp_store_directory = '/'",
    "create virtual table t using csv(filename='{{WITNESS}}')",
    "select fts3_tokenizer('x', x'4141414141414141')",
):
    try:
        print(database.execute(statement).fetchall())
    except BaseException as error:
        print(type(error).__name__, error)
try:
    database.enable_load_extension(True)
    database.load_extension("{{WITNESS}}")
except BaseException as error:
    print(type(error).__name__, error)
