//! The chart: plain SVG, bars in four panels.

use std::fmt::Write;

use crate::report::Report;
use crate::report::Row;
use crate::report::contender_name;

const WIDTH: f64 = 860.0;
const LEFT: f64 = 300.0;
const RIGHT: f64 = 110.0;
const BAR: f64 = 18.0;
const GAP: f64 = 8.0;
const HEAD: f64 = 46.0;
const OWN: &str = "#2563eb";
const OTHER: &str = "#94a3b8";

/// How values become lengths of bars.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Scale {
    Linear,
    Logarithmic,
}

struct Panel {
    title: &'static str,
    scale: Scale,
    bars: Vec<Bar>,
}

struct Bar {
    label: String,
    own: bool,
    value: f64,
    /// A second, higher value, drawn as a line.
    reach: Option<f64>,
    text: String,
}

/// Draws the report.
pub fn draw(report: &Report) -> String {
    let panels = [
        latency(report),
        throughput(report),
        cpu(report),
        ratio(report),
    ];
    let mut body = String::new();
    let mut y = 54.0;
    for panel in panels.iter().filter(|panel| !panel.bars.is_empty()) {
        y = draw_panel(&mut body, panel, y);
    }
    let machine = format!(
        "{} cores, {}, Linux {}, {} run of {}",
        report.machine["cores"],
        report.machine["cpu"].as_str().unwrap_or_default(),
        report.machine["kernel"].as_str().unwrap_or_default(),
        report.mode,
        report.taken,
    );
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {y}\" \
         font-family=\"system-ui, sans-serif\" font-size=\"13\" fill=\"#0f172a\">\n\
         <rect width=\"{WIDTH}\" height=\"{y}\" fill=\"#ffffff\"/>\n\
         <text x=\"16\" y=\"28\" font-size=\"18\" font-weight=\"600\">faas-server, measured side by side</text>\n\
         <text x=\"16\" y=\"46\" fill=\"#64748b\">{}</text>\n{body}</svg>\n",
        escape(&machine)
    )
}

fn draw_panel(body: &mut String, panel: &Panel, top: f64) -> f64 {
    let highest = panel
        .bars
        .iter()
        .map(|bar| bar.reach.unwrap_or(bar.value).max(bar.value))
        .fold(0.0, f64::max);
    let lowest = panel
        .bars
        .iter()
        .map(|bar| bar.value)
        .fold(f64::MAX, f64::min);
    // A logarithmic axis begins at the power of ten below the shortest bar.
    let floor = 10f64.powf((lowest * 0.9).log10().floor());
    let length = |value: f64| {
        let share = match panel.scale {
            Scale::Linear => value / highest,
            Scale::Logarithmic => (value / floor).log10() / (highest / floor).log10(),
        };
        (share * (WIDTH - LEFT - RIGHT)).max(1.0)
    };
    let title = escape(panel.title);
    let _ = writeln!(
        body,
        "<text x=\"16\" y=\"{}\" font-weight=\"600\">{title}</text>",
        top + 32.0
    );
    let mut y = top + HEAD;
    for bar in &panel.bars {
        let text_y = y + 13.5;
        let colour = if bar.own { OWN } else { OTHER };
        let width = length(bar.value);
        let mut end = LEFT + width;
        let _ = writeln!(
            body,
            "<text x=\"{}\" y=\"{text_y}\" text-anchor=\"end\">{}</text>\n\
             <rect x=\"{LEFT}\" y=\"{y}\" width=\"{width:.1}\" height=\"{BAR}\" rx=\"2\" fill=\"{colour}\"/>",
            LEFT - 10.0,
            escape(&bar.label),
        );
        if let Some(reach) = bar.reach.filter(|reach| *reach > bar.value) {
            let reach = LEFT + length(reach);
            let middle = y + BAR / 2.0;
            let _ = writeln!(
                body,
                "<path d=\"M{end:.1} {middle}H{reach:.1}M{reach:.1} {}v8\" stroke=\"{colour}\" stroke-width=\"2\"/>",
                middle - 4.0
            );
            end = reach;
        }
        let _ = writeln!(
            body,
            "<text x=\"{:.1}\" y=\"{text_y}\">{}</text>",
            end + 6.0,
            escape(&bar.text)
        );
        y += BAR + GAP;
    }
    y + 8.0
}

fn rows<'a>(report: &'a Report, section: &str, case: &'a str) -> impl Iterator<Item = &'a Row> {
    let rows = report
        .section(section)
        .map_or(&[][..], |section| &section.rows);
    rows.iter().filter(move |row| row.case == case)
}

fn figure(row: &Row, name: &str) -> Option<f64> {
    row.figures.get(name)?.as_f64().filter(|value| *value > 0.0)
}

fn latency(report: &Report) -> Panel {
    let bars = rows(report, "trivial", "one at a time").filter_map(|row| {
        let value = figure(row, "p50_ms")?;
        Some(Bar {
            label: contender_name(row.contender).to_owned(),
            own: row.contender == "server",
            value,
            reach: figure(row, "p99_ms"),
            text: format!("{value:.1} ms"),
        })
    });
    Panel {
        title: "print('hi'), one at a time: median and 99th percentile (logarithmic)",
        scale: Scale::Logarithmic,
        bars: bars.collect(),
    }
}

fn throughput(report: &Report) -> Panel {
    let rows = report
        .section("load")
        .map_or(&[][..], |section| &section.rows);
    let bars = rows.iter().filter_map(|row| {
        let value = figure(row, "per_second")?;
        Some(Bar {
            label: row.case.clone(),
            own: true,
            value,
            reach: None,
            text: format!("{value:.0} per second"),
        })
    });
    Panel {
        title: "print('hi'): fresh executions per second",
        scale: Scale::Linear,
        bars: bars.collect(),
    }
}

fn cpu(report: &Report) -> Panel {
    let bars = rows(report, "trivial", "one at a time").filter_map(|row| {
        let value = figure(row, "cpu_s_per_1000")?;
        Some(Bar {
            label: contender_name(row.contender).to_owned(),
            own: row.contender == "server",
            value,
            reach: None,
            text: format!("{value:.1} s"),
        })
    });
    Panel {
        title: "CPU seconds per 1,000 executions of print('hi') (logarithmic)",
        scale: Scale::Logarithmic,
        bars: bars.collect(),
    }
}

fn ratio(report: &Report) -> Panel {
    let rows = report
        .section("cpu")
        .map_or(&[][..], |section| &section.rows);
    let bars = rows.iter().filter_map(|row| {
        let value = figure(row, "ratio_to_resident")?;
        Some(Bar {
            label: row.case.clone(),
            own: row.case != "geometric mean",
            value,
            reach: None,
            text: format!("{value:.2} ×"),
        })
    });
    Panel {
        title: "CPU-bound programs: how many times faster than one Deno process without isolation",
        scale: Scale::Linear,
        bars: bars.collect(),
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}
