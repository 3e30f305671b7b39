//! Programs that call tools of their caller: `tools`, `POST /run_code/continue`, `POST /tools/describe`.

mod common;

use std::io::BufRead;
use std::io::BufReader;
use std::time::Duration;
use std::time::Instant;

use serde_json::Value;
use serde_json::json;

use common::Answer;
use common::Server;
use common::children::children;
use common::eventually;
use common::named_tokens;
use common::scratch::Scratch;
use common::shared;

/// A calculator that fails for odd numbers, and a search.
fn tools() -> Value {
    json!([
        {
            "name": "half",
            "description": "Halves an even number.",
            "input_schema": {
                "type": "object",
                "properties": {"n": {"type": "integer", "description": "an even number"}},
                "required": ["n"],
                "additionalProperties": false,
            },
            "output_schema": {"type": "integer"},
        },
        {
            "name": "web-search",
            "description": "Finds pages.",
            "input_schema": {
                "type": "object",
                "properties": {
                    "q": {"type": "string"},
                    "limit": {"type": "integer", "default": 3},
                },
                "required": ["q"],
            },
        },
    ])
}

/// What the caller of these tests makes of a call.
fn result_of(call: &Value) -> Value {
    let id = &call["id"];
    match call["name"].as_str().unwrap() {
        "half" => match call["input"]["n"].as_i64().unwrap() {
            n if n % 2 == 0 => json!({"id": id, "result": n / 2}),
            n => json!({"id": id, "error": format!("{n} is odd")}),
        },
        "web-search" => {
            let query = call["input"]["q"].as_str().unwrap();
            json!({"id": id, "result": [{"title": format!("About {query}"), "input": call["input"]}]})
        }
        other => panic!("{other}"),
    }
}

fn begin(server: &Server, language: &str, code: &str) -> Answer {
    server.run(json!({"language": language, "code": code, "tools": tools()}))
}

fn go_on(server: &Server, answer: &Answer, results: &[Value]) -> Answer {
    let body = json!({"continuation": answer.body["continuation"], "results": results});
    server.post("/run_code/continue", body.to_string())
}

fn calls(answer: &Answer) -> &[Value] {
    assert_eq!(answer.outcome(), "tool_calls", "{answer:?}");
    answer.body["tool_calls"].as_array().unwrap()
}

/// Answers all calls of each round until the program ends; returns its last answer, and how many rounds there were.
fn to_the_end(server: &Server, mut answer: Answer) -> (Answer, usize) {
    let mut rounds = 0;
    while answer.body["tool_calls"].is_array() {
        let results: Vec<_> = calls(&answer).iter().map(result_of).collect();
        answer = go_on(server, &answer, &results);
        rounds += 1;
    }
    assert_eq!(answer.status, 200, "{answer:?}");
    (answer, rounds)
}

fn run(language: &str, code: &str) -> (Answer, usize) {
    to_the_end(shared(), begin(shared(), language, code))
}

#[test]
fn a_python_program_calls_tools_as_functions_and_gets_their_results() {
    let first = begin(
        shared(),
        "python",
        "print('before')\nn = tools.half(84)\nprint('after', n)\npages = tools.web_search(q='x', limit=1)\npages[0]['title']",
    );
    assert_eq!(first.stdout(), "before\n");
    assert_eq!(
        calls(&first),
        [json!({"id": "call-1", "name": "half", "input": {"n": 84}})]
    );
    assert_eq!(first.body["metadata"]["exit_code"], 0);
    let second = go_on(shared(), &first, &[json!({"id": "call-1", "result": 42})]);
    assert_eq!(second.stdout(), "before\nafter 42\n", "output so far");
    assert_eq!(
        second.body["metadata"]["task_id"],
        first.body["metadata"]["task_id"]
    );
    assert_eq!(calls(&second)[0]["input"], json!({"q": "x", "limit": 1}));
    let (last, _) = to_the_end(shared(), second);
    assert_eq!(last.outcome(), "success", "{last:?}");
    assert_eq!(last.ret_val(), "About x");
    assert_eq!(last.stdout(), "before\nafter 42\n");
    assert!(last.body.get("continuation").is_none());
}

#[test]
fn several_calls_of_a_python_program_are_told_at_once() {
    let code = "
import asyncio
async def main():
    async def one(n):
        return await tools.half(n=n)
    direct = await asyncio.gather(*(tools.half(n) for n in (2, 4)), one(6))
    later = [tools.half(n) for n in (8, 10)]
    return [direct, [await call for call in later]]
await main()";
    let (answer, rounds) = run("python", code);
    assert_eq!(answer.ret_val(), "[[1, 2, 3], [4, 5]]", "{answer:?}");
    assert_eq!(rounds, 2);
}

#[test]
fn a_call_that_is_not_awaited_gives_its_result_where_it_is_used() {
    let code = "
def helper(q):
    return tools.web_search(q)[0]['title']
async def main():
    pages = tools.web_search('a')
    return [helper('b'), pages[0]['title'], len(pages), f'{tools.half(4)}', tools.half(6) + 1]
await main()";
    let (answer, _) = run("python", code);
    assert_eq!(
        answer.ret_val(),
        r#"["About b", "About a", 1, "2", 4]"#,
        "{answer:?}"
    );
    // One that nobody uses is made all the same, before the program ends.
    let first = begin(
        shared(),
        "python",
        "import asyncio\nawait asyncio.sleep(0)\ntools.half(2)\nprint('end')\nNone",
    );
    assert_eq!(calls(&first).len(), 1);
    assert_eq!(first.stdout(), "end\n");
}

#[test]
fn an_error_of_a_tool_is_an_exception_that_a_program_can_catch() {
    let (answer, _) = run(
        "python",
        "
try:
    tools.half(3)
except tools.ToolError as error:
    caught = [str(error), error.tool, type(error).__name__]
caught",
    );
    assert_eq!(
        answer.ret_val(),
        r#"["3 is odd", "half", "ToolError"]"#,
        "{answer:?}"
    );
    let (answer, _) = run(
        "javascript",
        "
try { await tools.half({ n: 3 }); } catch (error) {
  return [error.message, error.tool, error.name, error instanceof tools.ToolError, /<code>:2/.test(error.stack)];
}",
    );
    assert_eq!(
        answer.ret_val(),
        r#"["3 is odd","half","ToolError",true,true]"#,
        "{answer:?}"
    );
    // One that nobody catches ends the program, with the line of the call.
    let (answer, _) = run("python", "x = 1\ntools.half(3)");
    assert_eq!(answer.outcome(), "error");
    assert!(answer.stderr().contains("line 2"), "{}", answer.stderr());
    assert_eq!(answer.last_stderr_line(), "tools.ToolError: 3 is odd");
}

#[test]
fn calls_that_are_gathered_may_have_any_result_or_none() {
    let code = "
import asyncio
found = await asyncio.gather(
    tools.web_search('a'), tools.half(3), tools.web_search('b'), tools.half(4), return_exceptions=True)
[found[0][0]['title'], str(found[1]), found[2][0]['title'], found[3]]";
    let (answer, rounds) = run("python", code);
    assert_eq!(
        answer.ret_val(),
        r#"["About a", "3 is odd", "About b", 2]"#,
        "{answer:?}"
    );
    assert_eq!(rounds, 1);
}

#[test]
fn a_call_that_is_not_awaited_is_as_good_as_its_result() {
    let code = "
import asyncio
async def nested(n):
    return tools.half(2 * n) + 0
async def main():
    half, title = tools.half, lambda: tools.web_search('x')[0]['title']
    task = asyncio.create_task(half(2))
    async with asyncio.TaskGroup() as group:
        other = group.create_task(half(4))
    inner = await asyncio.gather(*(nested(n) for n in range(5)))
    return [half(6) == 3, half(6) == half(6), half(6) + half(8), 1 + half(6), half(6) < half(8), 'T: ' + title(),
            half(half(8)) + 0, await task, other.result(), f'{half(2)}', inner]
await main()";
    let (answer, _) = run("python", code);
    assert_eq!(
        answer.ret_val(),
        r#"[true, true, 7, 4, true, "T: About x", 2, 1, 2, "1", [0, 1, 2, 3, 4]]"#,
        "{answer:?}"
    );
}

#[test]
fn a_call_that_the_program_gave_up_does_not_keep_it() {
    let code = "
import asyncio
try:
    await asyncio.wait_for(tools.half(2), 0.05)
except TimeoutError:
    found = 'fallback'
found";
    let first = begin(shared(), "python", code);
    std::thread::sleep(Duration::from_millis(500));
    let last = go_on(shared(), &first, &[json!({"id": "call-1", "result": 1})]);
    assert_eq!(last.ret_val(), "fallback", "{last:?}");
    // An error that nobody looked at is not lost.
    let answer = begin(
        shared(),
        "python",
        "import asyncio\nawait asyncio.sleep(0)\ntools.half('x')\nNone",
    );
    assert_eq!(answer.outcome(), "error", "{answer:?}");
    // A loop that was closed costs no other call its answer.
    let code = "
import asyncio
async def main():
    await asyncio.sleep(0)
loop = asyncio.new_event_loop()
task = loop.create_task(tools.half(2) if False else main())
loop.run_until_complete(task)
loop.close()
tools.half(4)";
    assert_eq!(run("python", code).0.ret_val(), "2");
}

#[test]
fn a_check_that_takes_too_long_is_not_made() {
    let slow = json!([{"name": "t", "input_schema": {"properties": {"x": {"pattern": "[ab]*a[ab]{8000}[c-z]"}}}}]);
    let refused = shared().run(json!({"language": "python", "code": "1", "tools": slow}));
    assert_eq!(refused.status, 400, "{refused:?}");
    let branches = vec![json!({"items": {"type": "string"}}); 10];
    let wide = json!([{"name": "t", "input_schema": {"properties": {"x": {"anyOf": branches}}}}]);
    let code = "
try:
    tools.t(x=[1] * 300000)
except TypeError as error:
    message = str(error)
message";
    let answer = shared().run(json!({"language": "python", "code": code, "tools": wide}));
    assert!(
        answer.ret_val().contains("too much to be checked"),
        "{answer:?}"
    );
    let code = code.replace("300000", "30000");
    let answer = shared().run(json!({"language": "python", "code": code, "tools": wide}));
    assert!(
        answer.ret_val().contains("too long to say where"),
        "{answer:?}"
    );
    let mut definitions = serde_json::Map::new();
    definitions.insert("d0".to_owned(), json!({}));
    for level in 1..13 {
        let below = json!({"$ref": format!("#/$defs/d{}", level - 1)});
        definitions.insert(format!("d{level}"), json!({"allOf": [below, below]}));
    }
    let schema = json!({"$ref": "#/$defs/d12", "$defs": definitions});
    let many: Vec<_> = (0..8)
        .map(|n| json!({"name": format!("t{n}"), "input_schema": schema}))
        .collect();
    let refused = shared().post("/tools/describe", json!({"tools": many}).to_string());
    assert_eq!(refused.status, 400, "{refused:?}");
}

#[test]
fn names_of_tools_that_there_are_not_take_no_memory_of_the_service() {
    let server = Server::start_python(&[]);
    let code = "
host = tools.half.__globals__['_faas_host']
for number in range(1, 41):
    host.call_tool(number, 'x' * 4_000_000, '{}')";
    let before = common::figures::peak_memory(server.pid());
    let answer = begin(&server, "python", code);
    let grown = common::figures::peak_memory(server.pid()) - before;
    assert_eq!(answer.outcome(), "killed", "{answer:?}");
    assert!(grown < 60 << 20, "{grown} bytes");
}

#[test]
fn a_function_that_an_earlier_cell_kept_says_that_there_is_no_such_tool() {
    let opened = shared().post("/sessions", r#"{"language": "javascript"}"#);
    let session = opened.body["id"].clone();
    let first = shared().run(
        json!({"session": session, "tools": tools(), "code": "globalThis.half = tools.half; 1"}),
    );
    assert_eq!(first.outcome(), "success", "{first:?}");
    let code = "try { await half({ n: 4 }); } catch (error) { return error.message; }";
    let second = shared().run(json!({"session": session, "code": code}));
    assert_eq!(
        second.ret_val(),
        "this program was given no tool \"half\"",
        "{second:?}"
    );
}

#[test]
fn arguments_that_do_not_fit_are_an_exception_and_never_reach_the_caller() {
    let code = "
def message(call):
    try:
        call()
    except TypeError as error:
        return str(error)
[message(lambda: tools.half()), message(lambda: tools.half('x')), message(lambda: tools.half(2, m=3)),
 message(lambda: tools.web_search(7)), message(lambda: tools.half(n=2.5))]";
    let answer = begin(shared(), "python", code);
    assert_eq!(answer.outcome(), "success", "{answer:?}");
    let messages: Vec<String> = serde_json::from_str(answer.ret_val()).unwrap();
    for (message, part) in messages.iter().zip([
        "half(): missing a required argument: 'n'; it is half(n: int) -> int",
        "half(): n: \"x\" is not of type \"integer\"",
        "half(): got an unexpected keyword argument 'm'",
        "web-search(): q: 7 is not of type \"string\"",
        "half(): n: 2.5 is not of type \"integer\"",
    ]) {
        assert!(message.contains(part), "{message} has no {part}");
    }
    let code = "try { await tools.half({ n: 'x' }); } catch (error) { return error.message; }";
    let answer = begin(shared(), "javascript", code);
    assert_eq!(
        answer.ret_val(),
        "half: n: \"x\" is not of type \"integer\"",
        "{answer:?}"
    );
}

#[test]
fn tools_read_well_in_a_program() {
    let code = "
import inspect, tools as imported
from tools import half
def missing():
    try:
        tools.serch
    except AttributeError as error:
        return str(error)
[str(inspect.signature(half)), half.__doc__, imported is tools, missing(), tools.web_search.__name__,
 str(inspect.signature(tools.web_search))]";
    let answer = begin(shared(), "python", code);
    let read: Value =
        serde_json::from_str(answer.ret_val()).unwrap_or_else(|_| panic!("{answer:?}"));
    assert_eq!(
        read,
        json!([
            "(n: int) -> int",
            "Halves an even number.\n\nn: an even number",
            true,
            "there is no tool 'serch'; there are: half, web_search",
            "web_search",
            "(q: str, limit: int = 3) -> Any",
        ])
    );
    let answer = begin(shared(), "python", "help(tools.half)");
    assert!(
        answer
            .stdout()
            .contains("half(n: int) -> int\n    Halves an even number."),
        "{}",
        answer.stdout()
    );
}

#[test]
fn a_javascript_program_awaits_tools_several_at_once() {
    for language in ["javascript", "typescript"] {
        let (answer, rounds) = run(
            language,
            "
const halves = await Promise.all([2, 4, 6].map((n) => tools.half({ n })));
const [page] = await tools['web-search']({ q: 'x' });
tools.half({ n: 8 }).then((n) => console.log('late', n));
return { halves, title: page.title, same: tools.web_search === tools['web-search'] };",
        );
        assert_eq!(
            answer.ret_val(),
            r#"{"halves":[1,2,3],"title":"About x","same":true}"#,
            "{answer:?}"
        );
        assert_eq!(answer.stdout(), "late 4\n");
        assert_eq!(rounds, 3);
    }
}

#[test]
fn results_come_in_any_order_and_in_several_rounds() {
    let code = "
import asyncio
done = []
async def one(n):
    done.append([n, await tools.half(n)])
    print('got', n)
await asyncio.gather(one(2), one(4), one(6))
done";
    let first = begin(shared(), "python", code);
    assert_eq!(calls(&first).len(), 3);
    let second = go_on(shared(), &first, &[json!({"id": "call-3", "result": 30})]);
    let ids: Vec<_> = calls(&second).iter().map(|call| &call["id"]).collect();
    assert_eq!(ids, ["call-1", "call-2"], "those that are open");
    assert_eq!(second.stdout(), "got 6\n");
    let third = go_on(
        shared(),
        &second,
        &[
            json!({"id": "call-2", "result": 20}),
            json!({"id": "call-1", "result": 10}),
        ],
    );
    assert_eq!(third.outcome(), "success", "{third:?}");
    assert_eq!(third.ret_val(), "[[6, 30], [4, 20], [2, 10]]");
}

#[test]
fn results_that_are_wrong_are_refused_and_may_be_sent_again() {
    let first = begin(shared(), "python", "tools.half(8)");
    for (results, part) in [
        (
            json!([{"id": "call-9", "result": 1}]),
            "No call of this id is open",
        ),
        (json!([{"id": "x", "result": 1}]), "Send the `id`"),
        (
            json!([{"id": "call-1", "result": "four"}]),
            "does not fit the output_schema",
        ),
        (
            json!([{"id": "call-1", "result": 1, "error": "x"}]),
            "not both",
        ),
        (json!([{"id": "call-1", "error": 5}]), "`error` is a text"),
        (
            json!([{"id": "call-1", "result": 1}, {"id": "call-1", "result": 1}]),
            "Send a result once".to_lowercase().as_str(),
        ),
        (json!([]), "Send objects"),
        (json!("x"), "Send objects"),
    ] {
        let refused = go_on(shared(), &first, results.as_array().unwrap_or(&vec![]));
        assert_eq!(refused.status, 400, "{results}: {refused:?}");
        let details = refused.body["details"].as_str().unwrap().to_lowercase();
        assert!(
            details.contains(&part.to_lowercase()),
            "{results}: {refused:?}"
        );
    }
    let refused = shared().post("/run_code/continue", r#"{"results": []}"#);
    assert_eq!(refused.status, 400, "{refused:?}");
    let (last, _) = to_the_end(shared(), first);
    assert_eq!(last.ret_val(), "4");
}

#[test]
fn a_continuation_is_good_once_and_for_its_caller() {
    let scratch = Scratch::new("tools-tokens");
    let tokens = format!("{}/tokens.toml", scratch.path());
    let table = named_tokens::table("a", "token-a") + &named_tokens::table("b", "token-b");
    std::fs::write(&tokens, table).unwrap();
    let server = Server::start_python(&[
        ("FAAS_API_TOKENS_FILE", tokens.as_str()),
        ("FAAS_REPLICA", "here"),
    ]);
    let request = json!({"language": "python", "code": "tools.half(2)", "tools": tools()});
    let first = server.send_as("token-a", "POST", "/run_code", &request);
    let continuation = first.body["continuation"].as_str().unwrap();
    assert!(continuation.starts_with("cont-here-"), "{continuation}");
    let body = json!({"continuation": continuation, "results": [{"id": "call-1", "result": 1}]});
    let send =
        |token: &str, body: &Value| server.send_as(token, "POST", "/run_code/continue", body);
    assert_eq!(send("token-b", &body).status, 404);
    assert_eq!(send("token-a", &body).ret_val(), "1");
    let again = send("token-a", &body);
    assert_eq!(again.status, 410, "{again:?}");
    assert_eq!(again.error(), "The continuation was used");
    assert_eq!(send("token-b", &body).status, 404);
    for (unknown, part) in [
        (
            "cont-here-00000000000000000000000000000000",
            "None of your programs",
        ),
        (
            "cont-there-00000000000000000000000000000000",
            "on the server there",
        ),
        ("x", "None of your programs"),
    ] {
        let body = json!({"continuation": unknown, "results": [{"id": "call-1"}]});
        let answer = send("token-a", &body);
        assert_eq!(answer.status, 404);
        let details = answer.body["details"].as_str().unwrap();
        assert!(details.contains(part), "{answer:?}");
    }
}

#[test]
fn an_answer_that_was_lost_is_given_again_by_its_key() {
    let first = begin(shared(), "python", "tools.half(2) + tools.half(4)");
    let body = json!({"continuation": first.body["continuation"], "results": [{"id": "call-1", "result": 1}]});
    let headers = [("Idempotency-Key", "tools-1")];
    let send = || {
        shared().send(
            "POST",
            "/run_code/continue",
            &headers,
            body.to_string().as_bytes(),
        )
    };
    let (one, two) = (send(), send());
    assert_eq!(one.body, two.body);
    let (last, _) = to_the_end(shared(), two);
    assert_eq!(last.ret_val(), "3");
}

#[test]
fn the_clock_of_a_program_stands_still_while_it_waits() {
    let request = json!({
        "language": "python", "tools": tools(), "timeout": 1000,
        "code": "tools.half(2)\nimport time\ntime.sleep(0.2)\nprint('on')\nwhile True: pass",
    });
    let first = shared().run(request);
    assert_eq!(calls(&first).len(), 1);
    std::thread::sleep(Duration::from_millis(1500));
    let last = go_on(shared(), &first, &[json!({"id": "call-1", "result": 1})]);
    assert_eq!(last.outcome(), "timeout", "{last:?}");
    assert_eq!(
        last.stdout(),
        "on\n",
        "its time was not over when it went on"
    );
    let wall = last.body["metadata"]["usage"]["wall_ms"].as_u64().unwrap();
    assert!((1000..1500).contains(&wall), "{wall}");
}

#[test]
fn timers_of_a_program_go_on_while_it_waits() {
    let code = "
import asyncio
async def tick():
    await asyncio.sleep(0.05)
    print('tick')
task = asyncio.create_task(tick())
try:
    await asyncio.wait_for(tools.half(2), 0.2)
except TimeoutError:
    print('gave up')
tools.half(4)";
    let first = begin(shared(), "python", code);
    std::thread::sleep(Duration::from_millis(2000));
    let second = go_on(shared(), &first, &[json!({"id": "call-1", "result": 1})]);
    assert_eq!(second.stdout(), "tick\ngave up\n", "{second:?}");
    let last = go_on(shared(), &second, &[json!({"id": "call-2", "result": 2})]);
    assert_eq!(last.ret_val(), "2", "{last:?}");
    let first = begin(
        shared(),
        "javascript",
        "setTimeout(() => console.log('tick'), 20);
const winner = await Promise.race([tools.half({ n: 2 }), new Promise((r) => setTimeout(r, 60, 'timer'))]);
console.log(winner);
return await tools.half({ n: 4 });",
    );
    std::thread::sleep(Duration::from_millis(1000));
    let second = go_on(shared(), &first, &[json!({"id": "call-1", "result": 1})]);
    assert_eq!(second.stdout(), "tick\ntimer\n", "{second:?}");
    let last = go_on(shared(), &second, &[json!({"id": "call-2", "result": 2})]);
    assert_eq!(last.ret_val(), "2", "{last:?}");
}

#[test]
fn calls_that_nobody_answers_end_their_program() {
    let server = Server::start_python(&[("FAAS_TOOL_TIMEOUT", "400")]);
    let first = begin(&server, "python", "print('so far')\ntools.half(2)");
    let unanswered = || server.metric(r#"faas_tool_calls_total{outcome="unanswered"}"#);
    eventually("the program ends", || unanswered() == 1.0);
    // Its caller hears how it ended.
    let late = go_on(&server, &first, &[json!({"id": "call-1", "result": 1})]);
    assert_eq!(late.outcome(), "timeout", "{late:?}");
    assert_eq!(late.stdout(), "so far\n");
    assert!(
        late.last_stderr_line().contains("FAAS_TOOL_TIMEOUT"),
        "{late:?}"
    );
    assert_eq!(
        server.metric(r#"faas_tool_calls_total{outcome="unanswered"}"#),
        1.0
    );
}

#[test]
fn a_caller_that_hangs_up_leaves_nothing() {
    let server = Server::start_python(&[]);
    let first = begin(&server, "python", "tools.half(2)\nwhile True: pass");
    let body = json!({"continuation": first.body["continuation"], "results": [{"id": "call-1", "result": 1}]});
    let connection = std::net::TcpStream::connect(&server.address).unwrap();
    let text = body.to_string();
    let request = format!(
        "POST /run_code/continue HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n{text}",
        text.len()
    );
    std::io::Write::write_all(&mut &connection, request.as_bytes()).unwrap();
    eventually("it runs", || {
        server.metric("faas_tool_calls_total{outcome=\"answered\"}") == 1.0
    });
    drop(connection);
    eventually("it is ended", || {
        server.metric("faas_programs_with_tools") == 0.0
    });
    assert_eq!(
        server.metric(r#"faas_executions_total{language="python",status="cancelled"}"#),
        1.0
    );
}

#[test]
fn a_program_that_waits_holds_no_worker_and_goes_ahead_of_the_queue() {
    let server = Server::start_python(&[("FAAS_WORKER_COUNT", "1"), ("FAAS_MAX_INSTANCES", "20")]);
    let first = begin(
        &server,
        "python",
        "tools.half(2)\nprint('resumed')\ntools.half(4)",
    );
    assert_eq!(calls(&first).len(), 1);
    // The only worker is free.
    assert_eq!(server.python("1 + 1").ret_val(), "2");
    std::thread::scope(|scope| {
        let sleeps = "import time\ntime.sleep(0.3)\ntime.monotonic()";
        let others: Vec<_> = (0..6)
            .map(|_| scope.spawn(|| server.python(sleeps)))
            .collect();
        eventually("they wait", || server.metric("faas_queue_length") >= 5.0);
        let began = Instant::now();
        let second = go_on(&server, &first, &[json!({"id": "call-1", "result": 1})]);
        assert_eq!(second.stdout(), "resumed\n", "{second:?}");
        let waiting = server.metric("faas_queue_length");
        assert!(
            waiting >= 3.0,
            "{waiting} still wait after {:?}",
            began.elapsed()
        );
        for other in others {
            assert_eq!(other.join().unwrap().outcome(), "success");
        }
    });
}

#[test]
fn programs_with_tools_are_limited_in_number_and_their_calls_in_number_and_bytes() {
    let server = Server::start_python(&[
        ("FAAS_TOOL_PROGRAMS", "2"),
        ("FAAS_TOOL_CALLS", "3"),
        ("FAAS_TOOL_BYTES", "1000"),
    ]);
    let waiting = [0, 1].map(|_| begin(&server, "python", "tools.half(2)"));
    let refused = begin(&server, "python", "tools.half(2)");
    assert_eq!(refused.status, 429, "{refused:?}");
    assert!(
        refused.body["details"]
            .as_str()
            .unwrap()
            .contains("FAAS_TOOL_PROGRAMS")
    );
    assert_eq!(
        server.python("1 + 1").ret_val(),
        "2",
        "others are not concerned"
    );
    for first in waiting {
        assert_eq!(to_the_end(&server, first).0.ret_val(), "1");
    }
    let code = "
def error(call):
    try:
        call()
    except tools.ToolError as error:
        return str(error)
[error(lambda: tools.half(2)) for _ in range(4)]";
    let (answer, rounds) = to_the_end(&server, begin(&server, "python", code));
    let found: Vec<Option<String>> = serde_json::from_str(answer.ret_val()).unwrap();
    assert_eq!(found[..3], [None, None, None]);
    assert!(
        found[3].as_ref().unwrap().contains("FAAS_TOOL_CALLS"),
        "{found:?}"
    );
    assert_eq!(rounds, 3);
    let answer = begin(&server, "python", "tools.web_search('x' * 2000)");
    assert!(
        answer.last_stderr_line().contains("FAAS_TOOL_BYTES"),
        "{answer:?}"
    );
    let endless = "
while True:
    try:
        tools.half(2)
    except tools.ToolError:
        pass";
    let (answer, _) = to_the_end(&server, begin(&server, "python", endless));
    assert_eq!(answer.outcome(), "killed", "{answer:?}");
    assert!(
        answer.last_stderr_line().contains("FAAS_TOOL_CALLS"),
        "{answer:?}"
    );
    // What a result has counts, too.
    let first = begin(&server, "python", "tools.web_search('x')");
    let long = json!({"id": "call-1", "result": "y".repeat(2000)});
    let last = go_on(&server, &first, &[long]);
    assert!(
        last.last_stderr_line().contains("FAAS_TOOL_BYTES"),
        "{last:?}"
    );
}

#[test]
fn two_hundred_programs_wait_at_once() {
    let server = Server::start_python(&[
        ("FAAS_MAX_INSTANCES", "250"),
        ("FAAS_WORKER_COUNT", "4"),
        ("FAAS_TOOL_PROGRAMS", "200"),
        // Each may write as much as FAAS_MAX_OUTPUT_BYTES says.
        ("FAAS_ANSWER_BYTES", "1073741824"),
    ]);
    let waiting: Vec<_> = (0..200)
        .map(|n| begin(&server, "python", &format!("tools.half({}) + {n}", 2 * n)))
        .collect();
    assert_eq!(server.metric("faas_programs_with_tools"), 200.0);
    assert!(children(server.pid()).len() > 200);
    for (n, first) in waiting.into_iter().enumerate() {
        let (last, _) = to_the_end(&server, first);
        assert_eq!(last.ret_val(), (2 * n).to_string());
    }
    eventually("no place is held", || {
        server.metric("faas_programs_with_tools") == 0.0
    });
}

#[test]
fn a_stream_has_the_calls_as_events_and_stays_open() {
    let request = json!({
        "language": "python", "tools": tools(),
        "code": "print('a')\nx = tools.half(2)\nprint('b', x)\ntools.half(4)",
    });
    let response = ureq::post(format!("http://{}/run_code", shared().address))
        .header("accept", "text/event-stream")
        .send(request.to_string())
        .unwrap();
    let mut name = String::new();
    let mut seen = Vec::new();
    for line in BufReader::new(response.into_body().into_reader()).lines() {
        let line = line.unwrap();
        if let Some(event) = line.strip_prefix("event: ") {
            name = event.to_owned();
        }
        let Some(data) = line.strip_prefix("data: ") else {
            continue;
        };
        let data: Value = serde_json::from_str(data).unwrap();
        seen.push(name.clone());
        if name == "tool_calls" {
            let results: Vec<_> = data["tool_calls"]
                .as_array()
                .unwrap()
                .iter()
                .map(result_of)
                .collect();
            let body = json!({"continuation": data["continuation"], "results": results});
            let accepted = shared().post("/run_code/continue", body.to_string());
            assert_eq!(
                (accepted.status, &accepted.body),
                (202, &json!({"accepted": 1}))
            );
            let again = shared().post("/run_code/continue", body.to_string());
            assert!([202, 410].contains(&again.status), "{again:?}");
        } else if name == "result" {
            assert_eq!(data["output"]["ret_val"], "2");
            assert_eq!(data["output"]["stdout"], "a\nb 1\n");
        }
    }
    assert_eq!(
        seen,
        [
            "stdout",
            "tool_calls",
            "stdout",
            "tool_calls",
            "display",
            "result"
        ]
    );
}

#[test]
fn a_service_that_stops_does_not_wait_for_results_that_nobody_can_send() {
    let mut server = Server::start_python(&[("FAAS_SHUTDOWN_GRACE", "20000")]);
    let first = begin(&server, "python", "tools.half(2)");
    assert_eq!(calls(&first).len(), 1);
    let request = json!({"language": "python", "tools": tools(), "code": "tools.half(2)"});
    let response = ureq::post(format!("http://{}/run_code", server.address))
        .header("accept", "text/event-stream")
        .send(request.to_string())
        .unwrap();
    let mut lines = BufReader::new(response.into_body().into_reader()).lines();
    while !lines.next().unwrap().unwrap().contains("tool_calls") {}
    let began = Instant::now();
    server.signal(libc::SIGTERM);
    let rest: Vec<_> = lines.map_while(Result::ok).collect();
    assert!(rest.iter().any(|line| line == "event: error"), "{rest:?}");
    assert!(server.wait().success());
    assert!(
        began.elapsed() < Duration::from_secs(10),
        "{:?}",
        began.elapsed()
    );
}

#[test]
fn a_program_that_waits_says_what_it_used_and_one_that_dies_is_noticed() {
    let first = begin(
        shared(),
        "python",
        "sum(range(10**6))\nprint('x' * 3_000_000)\ntools.half(2)",
    );
    let metadata = &first.body["metadata"];
    assert_eq!(metadata["truncated"], true, "{metadata}");
    assert!(
        metadata["usage"]["cpu_ms"].as_u64().unwrap() > 0,
        "{metadata}"
    );
    assert!(
        metadata["usage"]["wall_ms"].as_u64().unwrap() > 0,
        "{metadata}"
    );
    to_the_end(shared(), first);
    let server = Server::start_python(&[]);
    let before = children(server.pid());
    let first = begin(&server, "python", "tools.half(2)");
    let sandbox = first.body["metadata"]["instance_id"].as_str().unwrap();
    let pid: i32 = sandbox.split('-').nth(1).unwrap().parse().unwrap();
    assert!(
        children(server.pid()).contains(&pid),
        "{sandbox} {before:?}"
    );
    // SAFETY: it is a child of a server that this test started.
    unsafe { libc::kill(pid, libc::SIGKILL) };
    let unanswered = || server.metric(r#"faas_tool_calls_total{outcome="unanswered"}"#);
    eventually("it is noticed", || unanswered() == 1.0);
    let last = go_on(&server, &first, &[json!({"id": "call-1", "result": 1})]);
    assert_eq!(last.outcome(), "killed", "{last:?}");
}

#[test]
fn an_alarm_or_an_interrupt_is_not_late_for_a_call() {
    let code = "
import signal, time
rang = []
signal.signal(signal.SIGALRM, lambda *_: rang.append(1))
for delay in (0.0001, 0.0005, 0.001, 0.003, 0.01):
    signal.setitimer(signal.ITIMER_REAL, delay)
    tools.half(2)
len(rang)";
    let mut answer = begin(shared(), "python", code);
    while answer.body["tool_calls"].is_array() {
        // Longer than the program waits for the alarm.
        std::thread::sleep(Duration::from_millis(100));
        let results: Vec<_> = calls(&answer).iter().map(result_of).collect();
        answer = go_on(shared(), &answer, &results);
    }
    assert_eq!(answer.ret_val(), "5", "{answer:?}");
    let code = "
import signal
class Rang(Exception): pass
def ring(*_): raise Rang
signal.signal(signal.SIGALRM, ring)
signal.setitimer(signal.ITIMER_REAL, 0.05)
try:
    tools.half(2)
except Rang:
    found = 'rang'
found";
    let first = begin(shared(), "python", code);
    std::thread::sleep(Duration::from_millis(1000));
    let last = go_on(shared(), &first, &[json!({"id": "call-1", "result": 1})]);
    assert_eq!(last.ret_val(), "rang", "{last:?}");
}

#[test]
fn cells_and_programs_from_snapshots_have_the_tools_of_their_own_request() {
    let opened = shared().post("/sessions", r#"{"language": "python"}"#);
    let session = opened.body["id"].clone();
    let cell = |code: &str, with_tools: bool| {
        let tools = if with_tools { tools() } else { Value::Null };
        shared().run(json!({"session": session, "code": code, "tools": tools}))
    };
    let (first, _) = to_the_end(shared(), cell("x = tools.half(4)\nkept = tools.half", true));
    assert_eq!(first.outcome(), "success", "{first:?}");
    let second = cell("kept(2)", false);
    assert_eq!(
        second.last_stderr_line(),
        "tools.ToolError: this program was given no tool 'half'"
    );
    let (third, _) = to_the_end(shared(), cell("x + tools.half(6)", true));
    assert_eq!(third.ret_val(), "5", "{third:?}");
    let kept =
        shared().run(json!({"language": "javascript", "code": "globalThis.y = 1", "keep": true}));
    let from = &kept.body["metadata"]["snapshot"]["id"];
    let request = json!({"language": "javascript", "from": from, "tools": tools(),
        "code": "return y + await tools.half({ n: 2 })"});
    let (last, _) = to_the_end(shared(), shared().run(request));
    assert_eq!(last.ret_val(), "2", "{last:?}");
}

#[test]
fn a_cell_that_waits_can_be_interrupted() {
    let opened = shared().post("/sessions", r#"{"language": "python"}"#);
    let id = opened.body["id"].as_str().unwrap();
    let code = "
try:
    tools.half(2)
except KeyboardInterrupt:
    print('interrupted')
x = 1";
    let first = shared().run(json!({"session": id, "code": code, "tools": tools()}));
    let interrupted = shared().post(&format!("/sessions/{id}/interrupt"), "");
    assert_eq!(interrupted.status, 200, "{interrupted:?}");
    let late = go_on(shared(), &first, &[json!({"id": "call-1", "result": 1})]);
    assert_eq!(late.stdout(), "interrupted\n", "{late:?}");
    let next = shared().run(json!({"session": id, "code": "x"}));
    assert_eq!(next.ret_val(), "1", "{next:?}");
}

#[test]
fn tools_that_no_program_could_have_are_refused() {
    for (tools, part) in [
        (json!("x"), "send a list of objects"),
        (json!([{"description": "x"}]), "send a list of objects"),
        (json!([{"name": "a b"}]), "is no name for a tool"),
        (
            json!([{"name": "a", "input_schema": {"type": "strnig"}}]),
            "the input_schema of the tool \"a\"",
        ),
        (
            json!([{"name": "a", "input_schema": {"$ref": "http://x/y"}}]),
            "a part of the same schema",
        ),
        (
            json!([{"name": "a", "description": "x".repeat(300_000)}]),
            "longer than 262144 bytes",
        ),
    ] {
        let refused = shared().run(json!({"language": "python", "code": "1", "tools": tools}));
        assert_eq!(refused.status, 400, "{tools}");
        let details = refused.body["details"].as_str().unwrap();
        assert!(details.contains(part), "{details} has no {part}");
    }
    let batch = json!({"language": "python", "programs": ["1"], "tools": tools()});
    let refused = shared().post("/run_batch", batch.to_string());
    assert_eq!(refused.error(), "A batch has no tools", "{refused:?}");
    // A program without any has no such name.
    let answer = shared().python("tools");
    assert!(
        answer
            .last_stderr_line()
            .starts_with("NameError: name 'tools'"),
        "{answer:?}"
    );
}

#[test]
fn tools_are_described_for_prompts() {
    let described = shared().post("/tools/describe", json!({"tools": tools()}).to_string());
    let python = described.body["python"].as_str().unwrap();
    assert!(
        python.contains("def half(n: int) -> int:\n    \"\"\"Halves an even number."),
        "{python}"
    );
    let typescript = described.body["typescript"].as_str().unwrap();
    assert!(
        typescript.contains("half(input: { n: number }): Promise<number>;"),
        "{typescript}"
    );
    let refused = shared().post("/tools/describe", "{}");
    assert_eq!(refused.status, 400, "{refused:?}");
}

#[test]
fn the_audit_log_has_each_call_without_its_contents() {
    let scratch = Scratch::new("tools-audit");
    let log = format!("{}/audit.log", scratch.path());
    let server = Server::start_python(&[("FAAS_AUDIT_LOG", log.as_str())]);
    let code = "
for n in (2, 3, 'secret'):
    try:
        tools.half(n)
    except tools.ToolError:
        pass";
    to_the_end(&server, begin(&server, "python", code));
    let read = || std::fs::read_to_string(&log).unwrap_or_default();
    eventually("the line is there", || read().contains("tool_calls"));
    let line: Value = serde_json::from_str(read().trim()).unwrap();
    let calls = line["tool_calls"].as_array().unwrap();
    let outcomes: Vec<_> = calls
        .iter()
        .map(|call| call["outcome"].as_str().unwrap())
        .collect();
    assert_eq!(outcomes, ["answered", "failed", "invalid"]);
    assert!(calls.iter().all(|call| call["tool"] == "half"), "{line}");
    assert!(
        !read().contains("secret") && !read().contains("is odd"),
        "{line}"
    );
}
