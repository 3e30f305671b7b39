# Directives of strftime that only glibc has, beside those that all have.
import datetime
import time

for hour in (0, 9, 12, 23):
    moment = datetime.datetime(2024, 1, 5, hour, 3)
    print(moment.strftime("%Y-%m-%d %l:%M %P|%k|%-k|%-l|%0l|%-d|%e|%%P|%j"))
    print(f"{moment:%I %p %P}", moment.time().strftime("%k"), moment.date().strftime("%d %N %Q %"))
    print(time.strftime("%P %H", moment.timetuple()))
print(len(time.strftime("%P")), time.strftime(""), time.strftime("100%"))
for text in ("%04Y-%m", "%^b", "%^a %d", "%-m/%-d", "%_d", "%#x"):
    print(moment.strftime(text))
try:
    time.strftime(5)
except TypeError as error:
    print(error)
