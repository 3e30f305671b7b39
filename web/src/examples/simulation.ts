// A queue with two clerks, simulated by the minute.
interface Customer {
  readonly arrival: number;
  readonly work: number;
}

class Bank {
  private queue: Customer[] = [];
  private readonly busyUntil: number[];
  readonly waits: number[] = [];

  constructor(clerks: number) {
    this.busyUntil = Array(clerks).fill(0);
  }

  minute(now: number, arrived?: Customer): void {
    if (arrived) this.queue.push(arrived);
    this.busyUntil.forEach((until, clerk) => {
      if (until > now || this.queue.length === 0) return;
      const next = this.queue.shift()!;
      this.waits.push(now - next.arrival);
      this.busyUntil[clerk] = now + next.work;
    });
  }
}

const bank = new Bank(2);
for (let now = 0; now < 480; now++) {
  const comes = Math.random() < 0.45;
  bank.minute(now, comes ? { arrival: now, work: 2 + Math.floor(Math.random() * 5) } : undefined);
}

const { waits } = bank;
console.log(`${waits.length} customers served`);
return {
  meanWait: Number((waits.reduce((a, b) => a + b, 0) / waits.length).toFixed(2)),
  longestWait: Math.max(...waits),
};
