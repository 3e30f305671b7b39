"""An agent of smolagents whose code runs in a sandbox of E2B's.

The model is the one part that is played: it says what a model could have said.
"""

import json
from typing import ClassVar

from smolagents import CodeAgent, Model, tool
from smolagents.models import ChatMessage, MessageRole


@tool
def double(number: int) -> int:
    """Doubles a number.

    Args:
        number: The number.
    """
    return 2 * number


class Scripted(Model):
    """What it says, step by step."""

    says: ClassVar = [
        "values = [double(number) for number in range(4)]\nprint(sum(values))",
        "print(no_such_name)",
        "import math\nfinal_answer({'sum': sum(values), 'root': math.isqrt(sum(values))})",
    ]

    def generate(self, messages, **options):
        self.seen = messages
        text = f"Thought: I know what to do.\n<code>\n{self.says.pop(0)}\n</code>"
        return ChatMessage(role=MessageRole.ASSISTANT, content=text)


model = Scripted(model_id="scripted")
with CodeAgent(tools=[double], model=model, executor_type="e2b", verbosity_level=0) as agent:
    answer = agent.run("Add them up", max_steps=5)
print(json.dumps([answer, "NameError" in str(model.seen)]))
