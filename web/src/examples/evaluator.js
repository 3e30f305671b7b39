// Scores a model's answer. The request's "input" is at hand as input_data.
const words = (text) => new Set(text.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? []);

function overlap(output, reference) {
  const [a, b] = [words(output), words(reference)];
  const common = [...a].filter((word) => b.has(word)).length;
  return common / Math.max(1, a.size + b.size - common);
}

const scores = input_data.turns.map((turn) => overlap(turn.output, turn.reference));
scores.forEach((value, index) => {
  console.log(value.toFixed(3), input_data.turns[index].output);
});

const mean = scores.reduce((sum, value) => sum + value, 0) / scores.length;
return { score: Number(mean.toFixed(3)), passed: mean >= input_data.threshold };
