# Uses every client of a network protocol that the standard library has.
# Known from: the standard library's network modules.
# expect: success
# timeout: 20000
import ftplib, http.client, imaplib, poplib, smtplib, ssl, urllib.request, xmlrpc.client
import multiprocessing.connection

address = ("127.0.0.1", {{PORT}})


def attempt(what):
    try:
        print("ESCAPED:", what())
    except BaseException as error:
        print(type(error).__name__, str(error)[:80])


def get():
    connection = http.client.HTTPConnection(*address, timeout=0.3)
    connection.request("GET", "/")
    return connection.getresponse().read()


attempt(get)
attempt(lambda: urllib.request.urlopen("http://127.0.0.1:{{PORT}}/", timeout=0.3).read())
attempt(lambda: ftplib.FTP().connect(*address, timeout=0.3))
attempt(lambda: smtplib.SMTP(*address, timeout=0.3))
attempt(lambda: imaplib.IMAP4(*address, timeout=0.3))
attempt(lambda: poplib.POP3(*address, timeout=0.3))
attempt(lambda: xmlrpc.client.ServerProxy("http://127.0.0.1:{{PORT}}/").x())
attempt(lambda: multiprocessing.connection.Client(address))
attempt(lambda: ssl.get_server_certificate(address, timeout=0.3))
