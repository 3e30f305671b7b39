//! Packages as they are: official wheels of Pyodide's distribution and wheels of the package index, each
//! used for what it is mostly used for.

mod common;

use std::path::PathBuf;
use std::sync::LazyLock;

use serde_json::Value;
use serde_json::json;

use common::Answer;
use common::Server;
use common::index::wheels;
use common::scratch::Scratch;

/// What `make test` fetched.
fn distribution() -> PathBuf {
    let path = PathBuf::from(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/target/test-distribution"
    ));
    assert!(
        path.join(".complete").exists(),
        "run scripts/fetch-test-distribution first"
    );
    path
}

fn server() -> &'static Server {
    static SERVER: LazyLock<Server> = LazyLock::new(|| {
        Server::start_python(&[
            ("FAAS_PYODIDE_PACKAGES", distribution().to_str().unwrap()),
            ("FAAS_WHEELHOUSE", wheels().to_str().unwrap()),
            ("FAAS_PACKAGE_ZYGOTES", "3"),
            ("FAAS_MAX_EXECUTION_TIME", "300000"),
            ("FAAS_PRELOAD_TIMEOUT", "300000"),
        ])
    });
    &SERVER
}

/// Runs a program with packages; it must succeed.
fn run(packages: &[&str], code: &str) -> Answer {
    let request = json!({ "code": code, "packages": packages, "timeout": 300_000 });
    let answer = server().run(request);
    assert_eq!(
        answer.outcome(),
        "success",
        "{code}\n{}\n{}",
        answer.stdout(),
        answer.stderr()
    );
    answer
}

fn pictures(answer: &Answer) -> Vec<Vec<u8>> {
    use base64::Engine;
    let artifacts = answer.body["output"]["artifacts"].as_array().unwrap();
    let contents = artifacts.iter().map(|picture| {
        assert_eq!(picture["mime"], "image/png");
        picture["content_base64"].as_str().unwrap()
    });
    let decode = |text| base64::engine::general_purpose::STANDARD.decode(text);
    contents.map(|text| decode(text).unwrap()).collect()
}

#[test]
fn figures_are_handed_back_as_they_were_when_they_were_shown() {
    let answer = run(
        &["matplotlib"],
        "\
import matplotlib.pyplot as plt
plt.plot([1, 2]); plt.title('one'); plt.show()
plt.plot([5, 1]); plt.title('two'); plt.show()
for i in range(2):
    plt.figure(); plt.plot([i, 2]); plt.show(); plt.close()
figure, axes = plt.subplots(); axes.bar(['a'], [1]); figure.show()
plt.plot([1, 2]); plt.title('left open')",
    );
    assert_eq!(answer.stderr(), "");
    let all = pictures(&answer);
    assert_eq!(all.len(), 6);
    for (number, picture) in all.iter().enumerate() {
        assert!(picture.starts_with(b"\x89PNG"), "figure {number}");
        assert!(!all[..number].contains(picture), "figure {number} again");
    }
    // The same figure alone is the same picture.
    let alone = run(
        &["matplotlib"],
        "import matplotlib\nmatplotlib.use('Agg')\nimport matplotlib.pyplot as plt
plt.plot([5, 1]); plt.title('two'); plt.show()",
    );
    assert_eq!(alone.stderr(), "");
    assert_eq!(pictures(&alone), [all[1].clone()]);
}

#[test]
fn a_figure_that_cannot_be_drawn_spoils_no_other_and_animations_show_their_first_frame() {
    let answer = run(
        &["matplotlib"],
        "\
import matplotlib.pyplot as plt
from matplotlib.animation import FuncAnimation
plt.figure(); plt.title('$\\\\frac{$'); plt.figure(); plt.plot([1, 2])
figure, axes = plt.subplots()
line, = axes.plot([], [])
frames = []
def draw(frame):
    frames.append(frame)
    line.set_data([0, 1], [frame, 1])
    return line,
animation = FuncAnimation(figure, draw, frames=3)
plt.show()
print(frames[:1])",
    );
    assert_eq!(pictures(&answer).len(), 2, "{}", answer.stderr());
    assert!(
        answer.stderr().contains("ParseException")
            || answer.stderr().contains("ParseSyntaxException"),
        "{}",
        answer.stderr()
    );
    assert_eq!(answer.stdout(), "[0]\n");
}

/// The representations of all that an answer shows.
fn shown(answer: &Answer) -> Vec<Value> {
    let results = answer.body["output"]["results"].as_array().unwrap();
    results.iter().map(|one| one["data"].clone()).collect()
}

/// What there is of a result beside its text.
fn media_types(shown: &Value) -> Vec<&str> {
    let types = shown.as_object().unwrap().keys().map(String::as_str);
    types.filter(|name| *name != "text/plain").collect()
}

#[test]
fn figures_of_the_plain_kinds_are_shown_as_data_too() {
    let answer = run(
        &["matplotlib"],
        "\
import datetime
import matplotlib.pyplot as plt
fig, axes = plt.subplots(2, 3)
fig.suptitle('all')
line, points, bars, sideways, pie, boxes = axes.flat
line.plot([datetime.date(2024, 1, day) for day in (1, 2)], [3, float('nan')], label='one')
line.plot([datetime.date(2024, 1, 1)], [5])
line.axhline(4)
line.grid(True)
line.set(title='T', xlabel='Day', ylabel='Speed (m/s)')
points.scatter([1, 2], [10, 100])
points.set_yscale('log')
bars.bar(['a', 'b'], [1, 2])
bars.bar(['a', 'b'], [3, 4], bottom=[1, 2], label='top')
sideways.barh(['x', 'y'], [1.5, 2], label='g')
sideways.set(xlabel='value', ylabel='name')
pie.pie([1, 3], labels=['p', 'q'])
boxes.boxplot([[1, 2, 3, 4, 50], [2, 3, 4]], tick_labels=['l', 'r'])
plt.show()
plt.plot(['u', 'v'], [1, 2]);",
    );
    let shown = shown(&answer);
    let chart = &shown[0]["e2b/chart"];
    assert_eq!(chart["type"], "superchart");
    assert_eq!(chart["title"], "all");
    let parts = chart["elements"].as_array().unwrap();
    let types: Vec<&str> = parts
        .iter()
        .map(|one| one["type"].as_str().unwrap())
        .collect();
    let expected = ["line", "scatter", "bar", "bar", "pie", "box_and_whisker"];
    assert_eq!(types, expected);
    assert_eq!(
        parts[0]["elements"],
        json!([
            { "label": "one", "points": [["2024-01-01", 3.0], ["2024-01-02", null]] },
            { "label": "Line 1", "points": [["2024-01-01", 5]] },
        ])
    );
    for (name, value) in [
        ("title", "T"),
        ("x_label", "Day"),
        ("x_scale", "datetime"),
        ("y_label", "Speed (m/s)"),
        ("y_unit", "m/s"),
        ("y_scale", "linear"),
    ] {
        assert_eq!(parts[0][name], value, "{name}");
    }
    let ticks = |name: &str| parts[0][name].as_array().unwrap().len();
    assert_eq!(ticks("y_ticks"), ticks("y_tick_labels"));
    assert!(
        parts[0]["x_ticks"][0].as_str().unwrap().ends_with(":00"),
        "{}",
        parts[0]
    );
    let dots = json!([{ "label": "Points 0", "points": [[1.0, 10.0], [2.0, 100.0]] }]);
    assert_eq!(parts[1]["elements"], dots);
    assert_eq!(parts[1]["y_scale"], "log");
    assert_eq!(
        parts[2]["elements"],
        json!([
            { "label": "a", "group": "Group 0", "value": 1 },
            { "label": "b", "group": "Group 0", "value": 2 },
            { "label": "a", "group": "top", "value": 3 },
            { "label": "b", "group": "top", "value": 4 },
        ])
    );
    assert_eq!(
        parts[3]["elements"],
        json!([{ "label": "x", "group": "g", "value": 1.5 }, { "label": "y", "group": "g", "value": 2.0 }])
    );
    assert_eq!(
        parts[3]["x_label"], "name",
        "it is told as if it stood upright"
    );
    assert_eq!(
        parts[4]["elements"],
        json!([
            { "label": "p", "angle": 90.0, "radius": 1 },
            { "label": "q", "angle": 270.0, "radius": 1 },
        ])
    );
    let left = json!({ "label": "l", "min": 1, "first_quartile": 2.0, "median": 3.0,
        "third_quartile": 4.0, "max": 4, "outliers": [50] });
    assert_eq!(parts[5]["elements"][0], left);
    let categories = &shown[1]["e2b/chart"];
    assert_eq!(categories["x_scale"], "categorical");
    assert_eq!(
        categories["elements"][0]["points"],
        json!([["u", 1], ["v", 2]])
    );
    for (result, artifact) in shown
        .iter()
        .zip(answer.body["output"]["artifacts"].as_array().unwrap())
    {
        assert_eq!(result["image/png"], artifact["content_base64"]);
    }
}

#[test]
fn a_figure_that_a_program_ends_in_is_its_main_result_and_is_shown_once() {
    for end in ["fig", "display(fig)"] {
        let code = format!(
            "import matplotlib.pyplot as plt\nfig, ax = plt.subplots()\nax.imshow([[1, 2]])\n{end}"
        );
        let answer = run(&["matplotlib"], &code);
        let results = answer.body["output"]["results"].as_array().unwrap();
        assert_eq!(results.len(), 1, "{end}");
        assert_eq!(results[0]["is_main_result"], end == "fig");
        assert_eq!(results[0]["data"]["e2b/chart"]["type"], "unknown");
        assert_eq!(pictures(&answer).len(), 1);
    }
}

#[test]
fn tables_of_pandas_are_shown_as_html_and_as_data() {
    let answer = run(
        &["pandas"],
        "\
import pandas as pd
table = pd.DataFrame({'n': [1, 2], 'day': pd.to_datetime(['2024-01-01', None]), 's': ['<b>', None]})
display(table, table['n'], pd.DataFrame({('a', 'b'): [1]}))
pd.DataFrame({'x': range(1500)})",
    );
    let shown = shown(&answer);
    assert_eq!(
        media_types(&shown[0]),
        ["text/html", "application/vnd.dataresource+json"]
    );
    let html = shown[0]["text/html"].as_str().unwrap();
    assert!(html.contains("<td>&lt;b&gt;</td>"), "{html}");
    let data = &shown[0]["application/vnd.dataresource+json"];
    let fields = data["schema"]["fields"].as_array().unwrap();
    let fields: Vec<_> = fields
        .iter()
        .map(|field| (&field["name"], &field["type"]))
        .collect();
    let expected = json!([
        ["index", "integer"],
        ["n", "integer"],
        ["day", "datetime"],
        ["s", "string"]
    ]);
    assert_eq!(json!(fields), expected);
    assert_eq!(
        data["data"],
        json!([
            { "index": 0, "n": 1, "day": "2024-01-01T00:00:00.000", "s": "<b>" },
            { "index": 1, "n": 2, "day": null, "s": null },
        ])
    );
    assert_eq!(data["row_count"], 2);
    assert_eq!(
        media_types(&shown[1]),
        ["application/vnd.dataresource+json"]
    );
    assert_eq!(
        media_types(&shown[2]),
        ["text/html"],
        "a schema has no columns of two levels"
    );
    let long = &shown[3]["application/vnd.dataresource+json"];
    assert_eq!(long["row_count"], 1500);
    assert_eq!(long["data"].as_array().unwrap().len(), 1000);
}

#[test]
fn formulas_pictures_and_plots_of_other_packages_are_shown_in_their_own_ways() {
    let answer = run(&["sympy"], "import sympy\nsympy.Symbol('x') ** 2 / 3");
    assert_eq!(
        shown(&answer)[0]["text/latex"],
        "$\\displaystyle \\frac{x^{2}}{3}$"
    );
    let answer = run(
        &["pillow"],
        "from PIL import Image\nImage.new('RGB', (2, 2), 'red')",
    );
    assert!(media_types(&shown(&answer)[0]).contains(&"image/png"));
    let code = "\
import plotly.graph_objects as go
figure = go.Figure(go.Scatter(x=[1, 2], y=[3, 4]))
figure.show()
figure";
    let plots = shown(&run(&["plotly"], code));
    assert_eq!(plots.len(), 2);
    for plot in &plots {
        let figure = &plot["application/vnd.plotly.v1+json"];
        assert_eq!(figure["data"][0]["y"], json!([3, 4]));
    }
}

#[test]
fn what_ipython_displays_is_shown() {
    let code = "\
from IPython.display import display, HTML, JSON, Markdown
from IPython.core.display_functions import publish_display_data
display(HTML('<b>1</b>'), Markdown('*a*'))
display(JSON({'a': 1}))
publish_display_data({'text/plain': 'raw'})
HTML('<i>2</i>')";
    let shown = shown(&run(&["ipython"], code));
    assert_eq!(shown.len(), 5);
    assert_eq!(shown[0]["text/html"], "<b>1</b>");
    assert_eq!(shown[1]["text/markdown"], "*a*");
    assert_eq!(shown[2]["application/json"], json!({ "a": 1 }));
    assert_eq!(shown[3], json!({ "text/plain": "raw" }));
    assert_eq!(shown[4]["text/html"], "<i>2</i>");
}

#[test]
fn tables_and_arrays_become_json_inside_of_return_values() {
    let code = "\
import numpy as np, pandas as pd
frame = pd.DataFrame({'a': [1, 2], 'b': ['x', None], 't': pd.to_datetime(['2024-01-01', None])})
{'mean': frame.a.mean(), 'count': frame.a.count(), 'frame': frame, 'series': frame.a, 'array': np.eye(2),
 'nan': np.float64('nan'), 'flag': np.bool_(True), 'date': np.datetime64('2024-02-29'), 'na': pd.NA, 'nat': pd.NaT,
 'stamp': pd.Timestamp('2024-02-29 12:00'), 'by': frame.groupby('a').size(), np.int64(7): 'key'}";
    let answer = run(&["pandas"], code);
    let value: serde_json::Value = serde_json::from_str(answer.ret_val()).unwrap();
    assert_eq!(
        value,
        json!({
            "mean": 1.5, "count": 2,
            "frame": [{ "a": 1, "b": "x", "t": "2024-01-01T00:00:00" }, { "a": 2, "b": null, "t": null }],
            "series": { "0": 1, "1": 2 }, "array": [[1.0, 0.0], [0.0, 1.0]], "nan": null, "flag": true,
            "date": "2024-02-29", "na": null, "nat": null, "stamp": "2024-02-29T12:00:00",
            "by": { "1": 1, "2": 1 }, "7": "key",
        })
    );
    // Equal names push no value out.
    let code = "\
import pandas as pd
frame = pd.DataFrame([[1, 2, 3, 4]], columns=['a', 'a', 'a.1', 'a'])
display(frame)
{'frame': frame, 'series': pd.Series([1, 2], index=['x', 'x']), 'levels': pd.DataFrame([[1, 2]], columns=[('a', 1), ('a', 1)])}";
    let answer = run(&["pandas"], code);
    assert_eq!(answer.stderr(), "");
    assert_eq!(
        serde_json::from_str::<serde_json::Value>(answer.ret_val()).unwrap(),
        json!({
            "frame": [{ "a": 1, "a.2": 2, "a.1": 3, "a.3": 4 }], "series": { "x": 1, "x.1": 2 },
            "levels": [{ "('a', 1)": 1, "('a', 1).1": 2 }],
        })
    );
    let table = &answer.body["output"]["results"][0]["data"]["application/vnd.dataresource+json"];
    assert_eq!(
        table["data"][0],
        json!({ "index": 0, "a": 1, "a.2": 2, "a.1": 3, "a.3": 4 })
    );
    // A table on the last line is readable text.
    let answer = run(&["pandas"], "import pandas as pd\npd.DataFrame({'a': [1]})");
    assert_eq!(answer.ret_val(), "   a\n0  1");
}

#[test]
fn requests_over_the_network_fail_with_the_errors_that_programs_catch() {
    let answer = run(
        &["requests", "httpx", "aiohttp"],
        "\
import aiohttp, asyncio, httpx, requests, urllib3, urllib.request
URL = 'https://example.com'
def attempt(kind, work):
    try: work()
    except kind as error: print(type(error).__name__, 'no network' in str(error))
async def by_aiohttp():
    async with aiohttp.ClientSession() as session: await session.get(URL)
async def by_httpx():
    async with httpx.AsyncClient() as client: await client.get(URL)
attempt(requests.exceptions.ConnectionError, lambda: requests.get(URL, timeout=3))
attempt(requests.exceptions.ConnectionError, lambda: requests.post(URL, json={'a': 1}, stream=True))
attempt(httpx.ConnectError, lambda: httpx.get(URL))
attempt(httpx.ConnectError, lambda: asyncio.run(by_httpx()))
attempt(urllib3.exceptions.HTTPError, lambda: urllib3.PoolManager().request('GET', URL, retries=False))
attempt(aiohttp.ClientConnectorError, lambda: asyncio.run(by_aiohttp()))
attempt(OSError, lambda: urllib.request.urlopen(URL))",
    );
    assert_eq!(answer.stderr(), "");
    assert_eq!(
        answer.stdout(),
        "ConnectionError True\nConnectionError True\nConnectError True\nConnectError True\nProtocolError True\n\
         ClientConnectorDNSError True\nURLError True\n"
    );
}

#[test]
fn progress_bars_and_loggers_work_without_threads() {
    let answer = run(
        &["tqdm", "rich", "loguru"],
        "\
from loguru import logger
from rich.console import Console
from rich.progress import Progress, track
from tqdm import tqdm
for i in tqdm(range(3)): pass
print(sum(track(range(4), description='adding')))
with Progress() as progress:
    task = progress.add_task('two', total=2)
    progress.update(task, advance=2)
with Console().status('thinking'): pass
logger.info('logged')
@logger.catch
def f(): 1 / 0
f()
print('done')",
    );
    assert!(answer.stdout().contains("adding"), "{}", answer.stdout());
    assert!(answer.stdout().contains("100%"), "{}", answer.stdout());
    assert!(answer.stdout().ends_with("done\n"), "{}", answer.stdout());
    for part in ["3/3", "logged", "ZeroDivisionError"] {
        assert!(
            answer.stderr().contains(part),
            "{part}: {}",
            answer.stderr()
        );
    }
    assert!(
        !answer.stderr().contains("start new thread"),
        "{}",
        answer.stderr()
    );
}

#[test]
fn fake_data_is_different_in_every_request() {
    let code =
        "from faker import Faker\nfake = Faker()\nprint(fake.name(), fake.random_int(0, 10**9))";
    let first = run(&["faker"], code).stdout().to_owned();
    assert_ne!(run(&["faker"], code).stdout(), first);
}

#[test]
fn scientific_packages_compute_what_they_are_used_for() {
    let answer = run(
        &["scipy", "scikit-learn", "sympy"],
        "\
import numpy as np, sympy
from scipy import integrate, linalg, optimize, stats
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import train_test_split
print(round(integrate.quad(np.sin, 0, np.pi)[0], 6), round(optimize.brentq(lambda x: x * x - 2, 0, 2), 6))
print(np.allclose(linalg.inv([[2, 0], [0, 4]]), [[0.5, 0], [0, 0.25]]), round(stats.norm.cdf(1.96), 3))
x = np.arange(20.0).reshape(-1, 1)
trained, tested, y, expected = train_test_split(x, 3 * x.ravel() + 1, random_state=0)
print(np.allclose(LinearRegression().fit(trained, y).predict(tested), expected))
s = sympy.symbols('s')
print(sympy.integrate(s**2, s), sympy.solve(s**2 - 2, s))",
    );
    assert_eq!(
        answer.stdout(),
        "2.0 1.414214\nTrue 0.975\nTrue\ns**3/3 [-sqrt(2), sqrt(2)]\n"
    );
}

#[test]
fn packages_for_text_pictures_and_data_do_what_they_are_used_for() {
    let answer = run(
        &["pillow", "lxml", "regex", "beautifulsoup4", "pydantic"],
        "\
import io
import regex
from bs4 import BeautifulSoup
from lxml import etree
from PIL import Image, ImageDraw
from pydantic import BaseModel
picture = Image.new('RGB', (8, 8), 'red')
ImageDraw.Draw(picture).line((0, 0, 7, 7), fill='blue')
file = io.BytesIO(); picture.save(file, 'PNG'); file.seek(0)
print(Image.open(file).getpixel((3, 3)), Image.open(file).resize((4, 4)).size)
print(etree.fromstring('<a><b c=\"1\"/></a>').xpath('//b/@c'), BeautifulSoup('<p>x</p>', 'lxml').p.text)
print(regex.findall(r'\\p{Lu}\\w+', 'Ein Test'))
class Point(BaseModel):
    x: int
Point(x='3')",
    );
    assert_eq!(
        answer.stdout(),
        "(0, 0, 255) (4, 4)\n['1'] x\n['Ein', 'Test']\n"
    );
    assert_eq!(answer.ret_val(), "{\"x\": 3}");
}

#[test]
fn programs_that_choose_a_backend_with_windows_hand_their_figures_back_all_the_same() {
    for chosen in [
        "matplotlib.use('TkAgg')\nimport matplotlib.pyplot as plt",
        "import matplotlib.pyplot as plt\nmatplotlib.use('QtAgg')",
        "import matplotlib.pyplot as plt\nplt.switch_backend('Qt5Agg')",
        "import matplotlib.pyplot as plt\nplt.switch_backend('inline')",
    ] {
        let code = format!("import matplotlib\n{chosen}\nplt.plot([1, 2])\nplt.show()");
        let answer = run(&["matplotlib"], &code);
        assert_eq!(pictures(&answer).len(), 1, "{chosen}: {}", answer.stderr());
    }
}

#[test]
fn titles_in_chinese_japanese_and_korean_are_drawn_with_the_fonts_of_faas_fonts() {
    let fonts = "/usr/share/fonts/truetype/wqy";
    if !PathBuf::from(fonts).is_dir() {
        eprintln!("SKIPPED: no font for East Asian text; apt-get install fonts-wqy-microhei");
        return;
    }
    let server = Server::start_python(&[
        ("FAAS_PYODIDE_PACKAGES", distribution().to_str().unwrap()),
        ("FAAS_FONTS", fonts),
        ("FAAS_MAX_EXECUTION_TIME", "300000"),
    ]);
    let code = "\
import matplotlib.pyplot as plt
for family in (None, 'SimHei', 'Microsoft YaHei'):
    if family: plt.rcParams['font.sans-serif'] = [family]
    figure = plt.figure(); plt.title('最高气温 日本語 한국어'); plt.show()
plt.rcParams['font.family'] = 'SimHei'
plt.title('最高气温'); plt.show()
plt.rcdefaults(); plt.title('\\U00013000'); plt.show()
plt.title('温度 ($^\\circ$C)'); plt.show(); plt.title('(°C) 温度'); plt.show()";
    let request = json!({ "code": code, "packages": ["matplotlib"], "timeout": 300_000 });
    let answer = server.run(request.clone());
    assert_eq!(answer.outcome(), "success", "{}", answer.stderr());
    // Only the last title has a character that no font has.
    assert_eq!(
        answer.stderr().matches("missing from font").count(),
        1,
        "{}",
        answer.stderr()
    );
    assert!(
        !answer.stderr().contains("not found") && !answer.stderr().contains("not have a glyph"),
        "{}",
        answer.stderr()
    );
    let drawn = pictures(&answer);
    assert_eq!(drawn.len(), 7);
    assert_ne!(drawn[3], drawn[4]);
    assert!(
        self::run(&["matplotlib"], code)
            .stderr()
            .contains("missing from font")
    );
}

#[test]
fn a_set_whose_wheel_is_missing_is_refused_and_installed_when_the_source_has_it() {
    let directory = tempfile::tempdir().unwrap();
    let mut late = None;
    for entry in std::fs::read_dir(distribution()).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if name.starts_with("regex-") {
            late = Some((path, directory.path().join(&name)));
        } else if name.ends_with(".json") || name.starts_with("six-") {
            std::fs::copy(&path, directory.path().join(&name)).unwrap();
        }
    }
    // Another test may have left the wheel unpacked in the usual one.
    let workspace = Scratch::new("missing-wheel");
    let server = Server::start_python(&[
        ("FAAS_PYODIDE_PACKAGES", directory.path().to_str().unwrap()),
        ("FAAS_WORKSPACE", workspace.path()),
    ]);
    let request = json!({ "code": "import regex\nprint(regex.sub(r'\\p{L}', 'x', 'aé1'))", "packages": ["regex"] });
    let refused = server.run(request.clone());
    assert_eq!(refused.outcome(), "error");
    assert_eq!(refused.stdout(), "");
    assert!(
        refused.stderr().contains("could not be installed"),
        "{}",
        refused.stderr()
    );
    let (from, to) = late.unwrap();
    std::fs::copy(from, to).unwrap();
    // A set that failed is tried again after a minute.
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(120);
    loop {
        let answer = server.run(request.clone());
        if answer.outcome() == "success" {
            assert_eq!(answer.stdout(), "xx1\n");
            break;
        }
        assert!(std::time::Instant::now() < deadline, "{}", answer.stderr());
        std::thread::sleep(std::time::Duration::from_secs(2));
    }
}
