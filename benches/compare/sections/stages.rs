//! The times of an execution's stages, as the server reports them.

use std::collections::BTreeMap;

use super::Bench;
use super::Field;
use crate::Error;
use crate::contender::PAUSE;
use crate::http::Request;
use crate::programs::TRIVIAL;
use crate::report::Row;
use crate::report::Section;
use crate::stats::median;

pub fn measure(bench: &Bench, field: &mut Field<'_>) -> Result<Section, Error> {
    let mut section = Section::new(
        "stages",
        "Stages of print('hi'), as the server reports them",
    );
    let mut request = TRIVIAL.request();
    request["timings"] = true.into();
    let request = Request::post("/run_code", &request);
    let mut connection = field.server.connect()?;
    let mut order = Vec::<String>::new();
    let mut stages = BTreeMap::<String, Vec<f64>>::new();
    for _ in 0..bench.plan.stages {
        std::thread::sleep(PAUSE);
        let answer = connection.send(&request)?.json()?;
        let Some(timings) = answer["metadata"]["timings"].as_object() else {
            section.note("skipped: this server reports no stages");
            return Ok(section);
        };
        for (stage, time) in timings {
            if let Some(microseconds) = time.as_f64() {
                if !stages.contains_key(stage) {
                    order.push(stage.clone());
                }
                stages.entry(stage.clone()).or_default().push(microseconds);
            }
        }
    }
    for stage in order {
        if let Some(middle) = stages.get(&stage).and_then(|times| median(times)) {
            section.push(Row::new("server", stage).with("median_us", middle));
        }
    }
    Ok(section)
}
