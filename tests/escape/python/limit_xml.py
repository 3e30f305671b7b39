# Expands XML entities a billion times.
# Known from: "billion laughs", quadratic blowup (CVE-2013-0340).
# timeout: 4000
import xml.dom.minidom, xml.etree.ElementTree, xml.sax

entities = '<!ENTITY a0 "' + "ha" * 20 + '">' + "".join(f'<!ENTITY a{n + 1} "{f"&a{n};" * 10}">' for n in range(9))
laughs = f"<!DOCTYPE x [{entities}]><x>&a9;</x>"
external = '<!DOCTYPE x [<!ENTITY host SYSTEM "file://{{WITNESS}}">]><x>&host;</x>'
remote = '<!DOCTYPE x SYSTEM "http://127.0.0.1:{{PORT}}/x.dtd"><x/>'
for text in (external, remote, laughs):
    for parse in (xml.etree.ElementTree.fromstring, xml.dom.minidom.parseString):
        try:
            print("got", str(parse(text))[:200])
        except BaseException as error:
            print(type(error).__name__, str(error)[:100])
