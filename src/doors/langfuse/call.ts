{
  const said = (error) => (error instanceof Error ? error.message : String(error));
  let answer;
  if (typeof evaluate === "function") {
    try {
      answer = { result: await evaluate(input_data) };
    } catch (error) {
      answer = { error: { code: "USER_CODE_ERROR", message: said(error) } };
    }
  } else {
    const message = "Evaluator source must define an evaluate(ctx) function";
    answer = { error: { code: "INVALID_SOURCE", message } };
  }
  try {
    answer = JSON.stringify(answer);
  } catch (error) {
    const message = `Evaluator returned a result that could not be serialized: ${said(error)}`;
    answer = JSON.stringify({ error: { code: "INVALID_RESULT", message } });
  }
  return_val(answer);
}
