"""A model writes one program that calls several tools of ours, and sees only what it returns.

The model is scripted here, so that the example runs by itself: a call of a real one takes its place.
"""

from collections.abc import Callable
from typing import TypedDict

from faas_client import Faas


class Order(TypedDict):
    number: int
    amount: float


ORDERS: "dict[str, list[Order]]" = {
    "Ada": [{"number": 1, "amount": 40.0}, {"number": 2, "amount": 25.5}],
    "Bob": [{"number": 3, "amount": 12.0}],
}
RATES = {"EUR": 1.0, "USD": 1.1}


def customers() -> "list[str]":
    """The names of all customers."""
    return list(ORDERS)


def orders(customer: str) -> "list[Order]":
    """The orders of a customer, in EUR.

    Args:
        customer: one of `customers`
    """
    return ORDERS[customer]


def rate(currency: str) -> float:
    """How much of a currency one EUR is."""
    return RATES[currency]


TOOLS: "list[Callable[..., object]]" = [customers, orders, rate]


def model(prompt: str) -> str:
    assert "def orders(customer: str)" in prompt, prompt
    return """
names = await tools.customers()
# Made at once: they come to us together.
dollars, calls = tools.rate("USD"), {name: tools.orders(name) for name in names}
totals = {name: sum(order["amount"] for order in await call) for name, call in calls.items()}
best = max(totals, key=totals.get)
f"{best} spent {totals[best] * await dollars:.2f} USD"
"""


def main() -> None:
    with Faas() as faas:
        program = model("Who spent most, in USD? Write a program.\n\n" + faas.describe_tools(TOOLS).python)
        result = faas.run(program, tools=TOOLS, timeout=10).raise_for_error()
        print(f"ANSWER: {result.value}")


if __name__ == "__main__":
    main()
