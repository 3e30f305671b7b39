# An uncaught exception. Follow a line number in the traceback.
from dataclasses import dataclass


@dataclass
class Account:
    owner: str
    balance: int

    def withdraw(self, amount):
        if amount > self.balance:
            raise ValueError(f"{self.owner} has {self.balance}, not {amount}")
        self.balance -= amount


def settle(accounts, amount):
    for account in accounts:
        account.withdraw(amount)
        print(account.owner, "now has", account.balance)


settle([Account("Ada", 120), Account("Grace", 80), Account("Alan", 30)], 50)
