import json

from pydantic import BaseModel, ValidationError


class Case(BaseModel):
    name: str
    score: float
    tags: list[str] = []


case = Case.model_validate({"name": "first", "score": "0.75", "tags": ["a"]})
try:
    Case.model_validate({"name": "second", "score": "high"})
    problems = 0
except ValidationError as error:
    problems = error.error_count()
print(json.dumps({"case": case.model_dump(), "problems": problems}))
