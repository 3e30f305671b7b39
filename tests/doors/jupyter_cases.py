"""Clients of Jupyter's kernel gateway, each as its users call it. Prints what came out as JSON.

Runs in an environment of its own: python jupyter_cases.py CASE ADDRESS [TOKEN]
"""

import asyncio
import importlib.util
import json
import logging
import pathlib
import subprocess
import sys
import tempfile
import threading
import time
import types
import urllib.request
import uuid

CASE, ADDRESS = sys.argv[1:3]
TOKEN = sys.argv[3] if len(sys.argv) > 3 else ""
CLIENTS = pathlib.Path(sys.prefix).parent


def kernel_client(**options):
    from jupyter_kernel_client import JupyterKernelClient

    return JupyterKernelClient(server_url=ADDRESS, token=TOKEN or None, **options)


def text_of(outputs):
    return "".join(output.get("text", "") for output in outputs)


def cells():
    """What one cell leaves, the next finds; results, pictures, errors."""
    from jupyter_kernel_client.wsclient import JupyterSubprotocol

    found = {}
    for form in (JupyterSubprotocol.DEFAULT,):
        with kernel_client(client_kwargs={"subprotocol": form}) as kernel:
            found[form.name] = {
                "info": kernel.kernel_info["language_info"]["name"],
                "first": kernel.execute("x = 41\nprint('printed')"),
                "second": kernel.execute("display('shown'); x + 1"),
                "error": kernel.execute("1 / 0"),
                "after": kernel.execute("x"),
            }
    return found


def v1():
    """The newer form of messages, written and read by the client's own functions."""
    import websocket
    from jupyter_kernel_client.utils import deserialize_msg_from_ws_v1, serialize_msg_to_ws_v1

    kernel = kernel_client()
    kernel.start()
    address = f"{ADDRESS}/api/kernels/{kernel.id}/channels".replace("http", "ws", 1)
    form = "v1.kernel.websocket.jupyter.org"
    connection = websocket.create_connection(address, subprotocols=[form], timeout=20)
    header, content = {"msg_id": "1", "msg_type": "execute_request"}, {"code": "print(6 * 7)"}
    parts = [json.dumps(part).encode() for part in (header, {}, {}, content)]
    connection.send_binary(serialize_msg_to_ws_v1(parts, "shell"))
    found = []
    while "idle" not in found:
        _, parts = deserialize_msg_from_ws_v1(connection.recv())
        header, parent, _, content = map(json.loads, parts)
        assert parent["msg_id"] == "1"
        found.append(content.get("text") or content.get("execution_state") or header["msg_type"])
    kernel.stop()
    return [connection.subprotocol == form, found]


def languages():
    found = {}
    for name, code in [
        ("javascript", "let a = 20; display(a + 1)"),
        ("deno", "const n: number = 6; display(n * 7)"),
    ]:
        kernel = kernel_client()
        kernel.start(name=name)
        found[name] = [kernel.kernel_info["language_info"]["name"], kernel.execute(code)["outputs"]]
        kernel.stop()
    return found


def interrupt():
    with kernel_client() as kernel:
        kernel.execute("x = 1")
        timer = threading.Timer(1, kernel.interrupt)
        timer.start()
        slow = kernel.execute("import time\nx = 2\ntime.sleep(30)", timeout=20)
        after = kernel.execute("x")
        kernel.restart()
        again = kernel.execute("x")
        return {"slow": slow, "after": after, "again": again}


def killed():
    with kernel_client() as kernel:
        kernel.execute("x = 1")
        dead = kernel.execute("x = 2\nimport os\nos._exit(3)")
        return {"dead": dead, "after": kernel.execute("x")}


def streams():
    """When each piece of output came, in s before the end."""
    with kernel_client() as kernel:
        came = []

        def hook(message):
            came.append((message["msg_type"], time.monotonic()))

        code = "import time\nfor i in range(3):\n    print(i, flush=True)\n    time.sleep(0.3)"
        kernel._manager.client.execute_interactive(code, output_hook=hook, timeout=30)
        end = came[-1][1]
        return [end - at for kind, at in came if kind == "stream"]


def assist():
    """complete, inspect, is_complete, history and comm_info, through the client's own channels."""
    with kernel_client() as kernel:
        kernel.execute(
            "class Thing:\n    'A thing.'\n    def turn(self, by=1):\n        'Turns it.'\nthing = Thing()"
        )
        client = kernel._manager.client

        def ask(call, *arguments):
            asked = call(*arguments)
            while (reply := client.get_shell_msg(timeout=20))["parent_header"]["msg_id"] != asked:
                pass
            return reply["content"]

        return {
            "complete": ask(client.complete, "thing.tu"),
            "complete_global": ask(client.complete, "y = thi + 1", 7),
            "inspect": ask(client.inspect, "thing.turn(2)", 8),
            "inspect_source": ask(client.inspect, "Thing", 5, 1),
            "inspect_nothing": ask(client.inspect, "nothing", 3),
            "complete_cell": ask(client.is_complete, "x = 1"),
            "incomplete_cell": ask(client.is_complete, "for i in range(3):"),
            "invalid_cell": ask(client.is_complete, "1 +* 2"),
            "history": ask(client.history),
            "comms": ask(client.comm_info),
            "unchanged": kernel.execute("'rlcompleter' in __import__('sys').modules"),
        }


def queue():
    """Of cells that wait, those behind a failed one do not run."""
    with kernel_client() as kernel:
        client = kernel._manager.client
        asked = [client.execute(code) for code in ("import time; time.sleep(1); 1 / 0", "x = 1", "y = 2")]
        replies = {}
        while len(replies) < len(asked):
            reply = client.get_shell_msg(timeout=20)
            replies[reply["parent_header"]["msg_id"]] = reply["content"]["status"]
        return [replies[one] for one in asked]


def several():
    """Two clients of a kernel: both are told of what one runs."""
    with kernel_client() as first:
        second = kernel_client(kernel_id=first.id)
        second.start()
        other = second._manager.client
        reply = first.execute("print('to all')")
        kinds = []
        while "idle" not in kinds:
            message = other.get_iopub_msg(timeout=10)
            content = message["content"]
            kinds.append(content.get("text") or content.get("execution_state") or message["msg_type"])
            if kinds[-1] == "idle" and "to all\n" not in kinds:
                kinds.pop()
        models = first.list_kernels()
        second._manager.client.stop_channels()
        return {"status": reply["status"], "kinds": kinds, "connections": models[0]["connections"]}


def open_webui():
    """Open WebUI's file that runs code in Jupyter; of its settings there are those that the file reads."""
    package = types.ModuleType("open_webui")
    environment = types.ModuleType("open_webui.env")
    environment.AIOHTTP_CLIENT_ALLOW_REDIRECTS = False
    codec = types.ModuleType("open_webui.utils.json_codec")
    codec.JSONCodec = json
    sys.modules.update(
        {
            "open_webui": package,
            "open_webui.env": environment,
            "open_webui.utils": types.ModuleType("open_webui.utils"),
            "open_webui.utils.json_codec": codec,
        }
    )
    spec = importlib.util.spec_from_file_location(
        "code_interpreter", CLIENTS / "open-webui/code_interpreter.py"
    )
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)

    def run(code, token=TOKEN):
        return asyncio.run(module.execute_code_jupyter(ADDRESS, code, token, timeout=30))

    picture = """
import base64
class Picture:
    def _repr_png_(self):
        return base64.b64decode("iVBORw0KGgo=")
Picture()
"""
    logging.disable(logging.CRITICAL)
    return {
        "value": run("print('out')\nimport sys\nprint('err', file=sys.stderr)\n6 * 7"),
        "picture": run(picture),
        "error": run("1 / 0"),
        "denied": run("1", "wrong-token-000000") if TOKEN else None,
    }


def smolagents():
    """What its DockerExecutor, ModalExecutor and BlaxelExecutor do, but for starting a container."""
    from smolagents import AgentLogger, FinalAnswerTool
    from smolagents.remote_executors import DockerExecutor, RemotePythonExecutor, _create_kernel_http

    logger = AgentLogger(level=0)
    # Its own methods and addresses; its constructor would start Docker.
    executor = DockerExecutor.__new__(DockerExecutor)
    RemotePythonExecutor.__init__(executor, [], logger)
    executor.base_url = ADDRESS
    executor._wait_for_server(TOKEN)
    executor.kernel_id = _create_kernel_http(f"{ADDRESS}/api/kernels?token={TOKEN}", logger)
    executor.ws_url = f"{ADDRESS}/api/kernels/{executor.kernel_id}/channels?token={TOKEN}".replace(
        "http", "ws", 1
    )
    executor.send_variables({"given": [1, 2, 3]})
    first = executor("import statistics\nprint('logged')\nstatistics.mean(given)")
    try:
        executor("undefined_name")
        failed = None
    except Exception as error:
        failed = str(error)
    # It has numpy and pillow installed first.
    executor.send_tools({"final_answer": FinalAnswerTool()})
    final = executor("final_answer({'answer': given})")
    return {
        "first": [first.output, first.logs, first.is_final_answer],
        "failed": failed,
        "final": [final.output, final.is_final_answer],
    }


def jupyter_server():
    """A Jupyter server that has its kernels here, and a client of its own."""
    with tempfile.TemporaryDirectory() as scratch:
        own_token = uuid.uuid4().hex
        command = [
            sys.executable,
            "-m",
            "jupyter_server",
            "--no-browser",
            "--port=0",
            "--allow-root",
            f"--gateway-url={ADDRESS}",
            f"--GatewayClient.auth_token={TOKEN}",
            f"--IdentityProvider.token={own_token}",
            f"--ServerApp.root_dir={scratch}",
        ]
        environment = {
            "PATH": "/usr/bin:/bin",
            "HOME": scratch,
            "JUPYTER_RUNTIME_DIR": scratch + "/runtime",
            "KERNEL_GREETING": "from the server",
        }
        log = pathlib.Path(scratch) / "log"
        with log.open("wb") as stderr:
            server = subprocess.Popen(command, env=environment, stderr=stderr)
        try:
            return with_server(own_token, pathlib.Path(scratch))
        except Exception as error:
            raise AssertionError(log.read_text()[-3000:]) from error
        finally:
            server.terminate()
            server.wait(timeout=20)


def with_server(own_token, scratch):
    from jupyter_kernel_client import JupyterKernelClient

    end = time.monotonic() + 60
    while not (files := list((scratch / "runtime").glob("jpserver-*.json"))):
        assert time.monotonic() < end, "the Jupyter server does not start"
        time.sleep(0.1)
    time.sleep(0.5)
    address = json.loads(files[0].read_text())["url"].rstrip("/")
    headers = {"Authorization": f"token {own_token}"}

    def call(path, body=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(address + path, data=data, headers=headers)
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)

    notebook = {"path": "a.ipynb", "type": "notebook", "name": "a", "kernel": {"name": "python3"}}
    opened = call("/api/sessions", notebook)
    kernel = JupyterKernelClient(server_url=address, token=own_token, kernel_id=opened["kernel"]["id"])
    kernel.start()
    found = {
        "specs": sorted(call("/api/kernelspecs")["kernelspecs"]),
        "first": kernel.execute("import os\nx = 1\nos.environ['KERNEL_GREETING']"),
        "second": kernel.execute("print(x + 1)"),
        "kernels": len(call("/api/kernels")),
    }
    kernel.restart()
    time.sleep(0.5)
    found["after_restart"] = kernel.execute("x")
    kernel._manager.client.stop_channels()
    return found


print(json.dumps(globals()[CASE]()))
