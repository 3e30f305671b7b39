class InsufficientFunds extends Error { constructor(need, have) { super(`need ${need.toFixed(2)}, have ${have.toFixed(2)}`); this.name = 'InsufficientFunds'; this.missing = need - have; } }
class Account { static #next = 1000; #balance = 0; history = []; constructor(owner, initial = 0) { this.id = Account.#next++; this.owner = owner; if (initial) this.deposit(initial); } get balance() { return this.#balance; }
  deposit(n) { if (!(n > 0)) throw new RangeError(`Invalid amount: ${n}`); this.#balance += n; this.history.push({ type: 'deposit', amount: n, balance: this.#balance }); return this; }
  withdraw(n) { if (n > this.#balance) throw new InsufficientFunds(n, this.#balance); this.#balance -= n; this.history.push({ type: 'withdraw', amount: n, balance: this.#balance }); return this; }
  transfer(to, n) { this.withdraw(n); to.deposit(n); } }
const alice = new Account('Alice', 500), bob = new Account('Bob'); alice.transfer(bob, 120.5); console.log(alice, bob.balance, bob.history);
for (const op of [() => bob.withdraw(1000), () => alice.deposit(-5), () => alice.deposit(NaN), () => alice.deposit('x')]) try { op(); } catch (e) { console.log(`${e.name}: ${e.message}`, e.missing ?? ''); }
console.table(alice.history); const report = [alice, bob].map((a) => `${a.id} ${a.owner.padEnd(8, '.')}${a.balance.toFixed(2).padStart(10)}`).join('\n'); console.log(report); const compound = (p, r, n, t) => p * (1 + r / n) ** (n * t); for (let y = 1; y <= 5; y++) console.log('year %d: %s', y, compound(1000, 0.05, 12, y).toFixed(2));
