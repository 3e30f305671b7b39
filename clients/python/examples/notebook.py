"""Cells of a notebook, one after the other: what one leaves, the next finds."""

from faas_client import Faas

CELLS = [
    "prices = [float(line) for line in open('prices.txt')]\nlen(prices)",
    "prices.append(1 / 0)",
    "import time\nprices.clear()\ntime.sleep(60)",
    "sum(prices)",
]


def main() -> None:
    with Faas() as faas, faas.sessions.open(files={"prices.txt": "19.5\n5.5\n"}) as notebook:
        for code in CELLS:
            cell = notebook.run(code, timeout=1)
            number = cell.session.cell if cell.session else "-"
            print(f"[{number}] {cell.error or cell.value}")
        # What would have been: a fork takes nothing from the notebook.
        [fork] = notebook.fork()
        print("fork:", fork.run("prices.append(75); sum(prices)").value)
        fork.delete()
        print("names:", [variable.name for variable in notebook.variables().variables])


if __name__ == "__main__":
    main()
