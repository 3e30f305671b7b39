import datetime
import json

start = datetime.datetime.fromisoformat(input_data["start"])
problems, busy, previous_end = [], datetime.timedelta(), start
for item in input_data["items"]:
    begin = datetime.datetime.fromisoformat(item["begin"])
    length = datetime.timedelta(minutes=item["minutes"])
    if begin < previous_end:
        problems.append(f"{item['name']} begins {(previous_end - begin).seconds // 60} minutes too early")
    if begin.weekday() >= 5:
        problems.append(f"{item['name']} is on a {begin:%A}")
    busy += length
    previous_end = begin + length
answer = {
    "problems": problems,
    "busy_hours": busy.total_seconds() / 3600,
    "ends": previous_end.isoformat(),
    "week": previous_end.isocalendar().week,
    "score": max(0.0, 1 - 0.25 * len(problems)),
}
print(json.dumps(answer))
