//! The store by itself, in real files.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use faas_packages::Digest;
use faas_protocol::Owner;
use faas_protocol::TokenName;
use faas_protocol::Weight;
use faas_telemetry::JobState;
use proptest::prelude::*;

use crate::database::Counts;
use crate::database::Database;
use crate::database::Durability;
use crate::database::SharedCounts;
use crate::error::StoreError;
use crate::expiry;
use crate::expiry::Deleted;
use crate::job::ClaimedJob;
use crate::job::Found;
use crate::job::GoneReason;
use crate::job::IdempotencyKey;
use crate::job::JobEnd;
use crate::job::JobKind;
use crate::job::NewJob;
use crate::job::Problem;
use crate::job::Progress;
use crate::job::Submitted;
use crate::progress;
use crate::read;
use crate::submit;
use crate::submit::Bounds;

const BOUNDS: Bounds = Bounds {
    jobs: 100,
    jobs_of_caller: 100,
    bytes: 1 << 20,
};
const ALL: (usize, usize) = (1000, 1 << 20);
const HOUR: i64 = 3_600_000;

/// A store in a directory of its own.
struct Store {
    database: Database,
    counts: SharedCounts,
    folder: tempfile::TempDir,
}

impl Store {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let counts = SharedCounts::default();
        Self {
            database: open(folder.path(), &counts),
            counts,
            folder,
        }
    }

    /// As if the server was killed and started again.
    fn again(self) -> Self {
        let Self {
            database, folder, ..
        } = self;
        drop(database);
        let counts = SharedCounts::default();
        Self {
            database: open(folder.path(), &counts),
            counts,
            folder,
        }
    }

    fn write<T>(
        &mut self,
        action: impl FnOnce(&rusqlite::Transaction<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.database.write(Durability::Kill, action)
    }

    fn submit(&mut self, job: &NewJob) -> Result<Submitted, StoreError> {
        self.write(|transaction| submit::submit(transaction, job, BOUNDS, 0))
    }

    fn claim(&mut self) -> Option<ClaimedJob> {
        self.write(|transaction| progress::claim(transaction, 1))
            .unwrap()
    }

    fn record(&mut self, id: &str, began: &[u64], ended: &[(u64, &str)]) -> bool {
        let ended = ended
            .iter()
            .map(|(index, text)| (*index, (*text).to_owned()));
        let progress = Progress {
            began: began.to_vec(),
            ended: ended.collect(),
        };
        self.write(|transaction| progress::record(transaction, id, &progress, BOUNDS.bytes))
            .unwrap()
    }

    /// Indices and attempts of rows without results.
    fn left(&mut self, id: &str) -> Vec<(u64, u32)> {
        let rows = self
            .database
            .read(|connection| progress::rows(connection, id, None, ALL))
            .unwrap();
        rows.iter().map(|row| (row.index, row.attempts)).collect()
    }

    /// Index and text of each result, in their order.
    fn results(&mut self, id: &str, from: u64) -> Vec<(u64, String)> {
        let page = self
            .database
            .read(|connection| read::results(connection, (&Owner::Everybody, id), from, ALL))
            .unwrap()
            .unwrap();
        let positions: Vec<u64> = page.results.iter().map(|one| one.position).collect();
        let expected = from..from + positions.len() as u64;
        assert_eq!(positions, expected.collect::<Vec<_>>());
        page.results
            .into_iter()
            .map(|one| (one.index, one.text))
            .collect()
    }

    fn state(&mut self, id: &str) -> JobState {
        match self.find(&Owner::Everybody, id) {
            Found::Job(job) => job.state,
            other => panic!("{other:?}"),
        }
    }

    fn find(&mut self, owner: &Owner, id: &str) -> Found {
        self.database
            .read(|connection| read::find(connection, owner, id))
            .unwrap()
    }

    fn bytes(&self) -> u64 {
        self.counts.lock().unwrap().bytes
    }
}

fn open(folder: &Path, counts: &SharedCounts) -> Database {
    Database::new(folder.join("jobs.sqlite3"), counts.clone())
}

fn job(id: &str, rows: usize) -> NewJob {
    NewJob {
        id: Arc::from(id),
        owner: Owner::Everybody,
        weight: Weight::default(),
        address: None,
        request_id: "request".to_owned(),
        kind: JobKind::Batch,
        head: "{}".to_owned(),
        rows: (0..rows).map(|row| row.to_string()).collect(),
        key: None,
        webhook: None,
        keep_for: Duration::from_hours(1),
    }
}

fn named(name: &str) -> Owner {
    Owner::Named(TokenName::parse(name).unwrap())
}

#[test]
fn a_row_whose_result_is_there_is_not_run_again_and_keeps_its_result() {
    let mut store = Store::new();
    store.submit(&job("a", 3)).unwrap();
    assert_eq!(&*store.claim().unwrap().id, "a");
    assert!(store.record("a", &[0, 1], &[(1, "{\"first\":1}")]));
    let mut store = store.again();
    assert_eq!(store.state("a"), JobState::Queued);
    assert_eq!(store.left("a"), [(0, 1), (2, 0)]);
    store.claim().unwrap();
    assert!(store.record("a", &[0, 2], &[(1, "{\"second\":1}"), (2, "{}"), (0, "{}")]));
    let results = [(1, "{\"first\":1}"), (2, "{}"), (0, "{}")];
    let results = results.map(|(index, text)| (index, text.to_owned()));
    assert_eq!(store.results("a", 0), results);
    assert_eq!(store.results("a", 2), results[2..]);
    assert_eq!(store.left("a"), []);
}

#[test]
fn attempts_count_when_the_server_is_killed_and_not_when_it_stops() {
    let mut store = Store::new();
    store.submit(&job("a", 2)).unwrap();
    store.claim().unwrap();
    store.record("a", &[0], &[]);
    assert!(
        store
            .write(|transaction| progress::release(transaction, "a"))
            .unwrap()
    );
    assert_eq!(store.left("a"), [(0, 0), (1, 0)]);
    store.claim().unwrap();
    store.record("a", &[0], &[]);
    let mut store = store.again();
    assert_eq!(store.left("a"), [(0, 1), (1, 0)]);
    store.claim().unwrap();
    // What was begun before the kill is not running now.
    store
        .write(|transaction| progress::release(transaction, "a"))
        .unwrap();
    assert_eq!(store.left("a"), [(0, 1), (1, 0)]);
}

#[test]
fn a_job_that_ended_records_nothing_more() {
    let mut store = Store::new();
    let owner = Owner::Everybody;
    store.submit(&job("a", 2)).unwrap();
    store.claim().unwrap();
    store.record("a", &[0], &[(0, "{}")]);
    let deleted = store.write(|transaction| expiry::delete(transaction, &owner, "a", 5));
    assert!(matches!(deleted, Ok(Deleted::Cancelled(job)) if job.done == 1));
    assert!(!store.record("a", &[1], &[(1, "{}")]));
    let problem = Problem {
        error: "no".to_owned(),
        details: "no".to_owned(),
    };
    let end = JobEnd::Failed(problem);
    let finished = store.write(|transaction| progress::finish(transaction, "a", &end, 6));
    assert_eq!(finished, Ok(false));
    assert_eq!(store.state("a"), JobState::Cancelled);
    assert_eq!(store.results("a", 0).len(), 1);
    let deleted = store.write(|transaction| expiry::delete(transaction, &owner, "a", 7));
    assert!(matches!(deleted, Ok(Deleted::Forgotten)));
    let found = store.find(&owner, "a");
    assert!(
        matches!(found, Found::Gone(GoneReason::Deleted)),
        "{found:?}"
    );
    assert_eq!(store.bytes(), 0);
}

#[test]
fn jobs_are_taken_up_in_turn_from_callers_and_in_order_from_each() {
    let mut store = Store::new();
    for (id, owner) in [
        ("a1", Owner::Everybody),
        ("a2", Owner::Everybody),
        ("a3", Owner::Everybody),
        ("b1", named("b")),
        ("b2", named("b")),
    ] {
        let job = NewJob {
            owner,
            ..job(id, 1)
        };
        store.submit(&job).unwrap();
    }
    let order: Vec<_> = std::iter::from_fn(|| store.claim()).collect();
    let order: Vec<&str> = order.iter().map(|job| &*job.id).collect();
    assert_eq!(order, ["a1", "b1", "a2", "b2", "a3"]);
}

#[test]
fn a_job_is_seen_by_its_owner_only() {
    let mut store = Store::new();
    let of_b = NewJob {
        owner: named("b"),
        ..job("a", 1)
    };
    store.submit(&of_b).unwrap();
    assert!(matches!(store.find(&named("b"), "a"), Found::Job(_)));
    for other in [Owner::Everybody, Owner::Token, named("c")] {
        assert!(matches!(store.find(&other, "a"), Found::Unknown));
        let list = store
            .database
            .read(|connection| read::list(connection, &other, None, 10));
        assert_eq!(list, Ok(Vec::new()));
        let deleted = store.write(|transaction| expiry::delete(transaction, &other, "a", 1));
        assert!(matches!(deleted, Ok(Deleted::Missing(Found::Unknown))));
    }
}

#[test]
fn a_key_names_the_same_job_as_long_as_that_is_kept() {
    let mut store = Store::new();
    let with_key = |id: &str, body: &str| NewJob {
        key: Some(IdempotencyKey {
            text: "key".to_owned(),
            digest: Digest::of(body.as_bytes()),
        }),
        ..job(id, 1)
    };
    store.submit(&with_key("a", "x")).unwrap();
    let again = store.submit(&with_key("b", "x")).unwrap();
    assert!(matches!(again, Submitted::Known(job) if &*job.id == "a"));
    let other = store.submit(&with_key("c", "y")).unwrap_err();
    assert_eq!(other, StoreError::OtherRequest);
    let of_other = NewJob {
        owner: named("b"),
        ..with_key("d", "y")
    };
    assert!(matches!(store.submit(&of_other), Ok(Submitted::New(_))));
    for now in [1, 2] {
        store
            .write(|transaction| expiry::delete(transaction, &Owner::Everybody, "a", now))
            .unwrap();
    }
    assert!(matches!(
        store.submit(&with_key("e", "y")),
        Ok(Submitted::New(_))
    ));
}

#[test]
fn jobs_have_bounds_in_number_and_in_bytes() {
    let mut store = Store::new();
    let bounds = Bounds {
        jobs: 3,
        jobs_of_caller: 2,
        bytes: 20,
    };
    let mut submit = |job: NewJob| {
        let submitted = store.write(|transaction| submit::submit(transaction, &job, bounds, 0));
        submitted.map(drop)
    };
    let of_b = |id, rows| NewJob {
        owner: named("b"),
        ..job(id, rows)
    };
    assert_eq!(submit(job("a", 1)), Ok(()));
    assert_eq!(submit(job("b", 1)), Ok(()));
    assert_eq!(
        submit(job("c", 1)),
        Err(StoreError::TooManyOfCaller { most: 2 })
    );
    assert_eq!(submit(of_b("d", 13)), Err(StoreError::NoRoom { most: 20 }));
    assert_eq!(submit(of_b("e", 1)), Ok(()));
    assert_eq!(submit(of_b("f", 1)), Err(StoreError::TooMany { most: 3 }));
    store.claim().unwrap();
    let progress = Progress {
        began: vec![0],
        ended: vec![(0, "0123456789abc".to_owned())],
    };
    let recorded =
        store.write(|transaction| progress::record(transaction, "a", &progress, bounds.bytes));
    assert_eq!(recorded, Err(StoreError::NoRoom { most: 20 }));
    assert_eq!(store.left("a"), [(0, 0)]);
}

#[test]
fn a_job_ends_when_its_time_is_over_and_is_forgotten_later() {
    let mut store = Store::new();
    store.submit(&job("waiting", 1)).unwrap();
    store.submit(&job("running", 1)).unwrap();
    let running = store.claim().unwrap().id;
    let due = |now| move |connection: &rusqlite::Connection| expiry::is_due(connection, now);
    assert_eq!(store.database.read(due(HOUR - 1)), Ok(false));
    assert_eq!(store.database.read(due(HOUR)), Ok(true));
    let ended = store
        .write(|transaction| expiry::expire(transaction, HOUR))
        .unwrap();
    assert!(ended.contains(&running) && ended.len() == 2, "{ended:?}");
    assert_eq!(store.state("running"), JobState::Expired);
    let ended = store.write(|transaction| expiry::expire(transaction, 2 * HOUR));
    assert_eq!(ended, Ok(Vec::new()));
    let found = store.find(&Owner::Everybody, "running");
    assert!(
        matches!(found, Found::Gone(GoneReason::Expired)),
        "{found:?}"
    );
    assert_eq!(*store.counts.lock().unwrap(), Counts::default());
    store.database.read(expiry::shrink).unwrap();
}

#[test]
fn a_message_is_due_when_its_job_ends_and_again_after_a_pause() {
    let mut store = Store::new();
    let with_webhook = NewJob {
        webhook: Some("https://receiver.example/".to_owned()),
        ..job("a", 1)
    };
    store.submit(&with_webhook).unwrap();
    let due = |store: &mut Store, now| {
        let due = store
            .database
            .read(|connection| expiry::due_webhooks(connection, 10, now));
        due.unwrap()
            .iter()
            .map(|one| one.attempts)
            .collect::<Vec<_>>()
    };
    assert!(due(&mut store, HOUR).is_empty());
    store.claim().unwrap();
    store
        .write(|transaction| progress::finish(transaction, "a", &JobEnd::Done, 10))
        .unwrap();
    assert_eq!(due(&mut store, 10), [0]);
    let again = Some(Duration::from_millis(100));
    store
        .write(|transaction| expiry::webhook_tried(transaction, "a", Some("no"), again, 10))
        .unwrap();
    assert!(due(&mut store, 109).is_empty());
    let mut store = store.again();
    assert_eq!(due(&mut store, 110), [1]);
    let next = store.database.read(expiry::next_webhook);
    assert_eq!(next, Ok(Some(110)));
    store
        .write(|transaction| expiry::webhook_tried(transaction, "a", None, None, 120))
        .unwrap();
    assert!(due(&mut store, HOUR).is_empty());
}

#[test]
fn one_server_has_the_file_and_a_damaged_one_is_left_as_it_is() {
    let mut store = Store::new();
    store.submit(&job("a", 1)).unwrap();
    let mut second = open(store.folder.path(), &SharedCounts::default());
    assert_eq!(second.read(|_| Ok(())), Err(StoreError::Taken));
    drop(store.database);
    assert_eq!(second.read(|_| Ok(())), Ok(()));
    drop(second);
    let path = store.folder.path().join("jobs.sqlite3");
    let damaged = vec![b'x'; 8192];
    std::fs::write(&path, &damaged).unwrap();
    let mut third = open(store.folder.path(), &SharedCounts::default());
    let error = third.read(|_| Ok(())).unwrap_err();
    assert!(matches!(error, StoreError::Damaged(_)), "{error:?}");
    assert_eq!(std::fs::read(&path).unwrap(), damaged);
    std::fs::remove_file(&path).unwrap();
    assert_eq!(third.read(|_| Ok(())), Ok(()));
}

/// What may happen to a job of ten rows.
#[derive(Clone, Debug)]
enum Event {
    Claim,
    Begin(u64),
    End(u64, u32),
    Release,
    Kill,
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        3 => Just(Event::Claim),
        4 => (0..10_u64).prop_map(Event::Begin),
        6 => (0..10_u64, any::<u32>()).prop_map(|(index, value)| Event::End(index, value)),
        1 => Just(Event::Release),
        1 => Just(Event::Kill),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn whatever_happens_each_row_has_one_result_or_is_left_and_results_stay(
        events in proptest::collection::vec(event(), 1..40)
    ) {
        let mut store = Store::new();
        store.submit(&job("a", 10)).unwrap();
        let mut is_running = false;
        let mut expected: Vec<(u64, String)> = Vec::new();
        let mut attempts: BTreeMap<u64, u32> = (0..10).map(|index| (index, 0)).collect();
        let mut begun: Vec<u64> = Vec::new();
        for event in events {
            match event {
                Event::Claim => is_running |= store.claim().is_some(),
                Event::Begin(index) => {
                    prop_assert_eq!(store.record("a", &[index], &[]), is_running);
                    if is_running && let Some(count) = attempts.get_mut(&index) {
                        *count += 1;
                        if !begun.contains(&index) {
                            begun.push(index);
                        }
                    }
                }
                Event::End(index, value) => {
                    let text = format!("{{\"value\":{value}}}");
                    prop_assert_eq!(store.record("a", &[], &[(index, &text)]), is_running);
                    if is_running && attempts.remove(&index).is_some() {
                        expected.push((index, text));
                    }
                }
                Event::Release => {
                    let released = store.write(|transaction| progress::release(transaction, "a"));
                    prop_assert_eq!(released, Ok(is_running));
                    for index in begun.drain(..) {
                        if let Some(count) = attempts.get_mut(&index) {
                            *count -= 1;
                        }
                    }
                    is_running = false;
                }
                Event::Kill => {
                    store = store.again();
                    begun.clear();
                    is_running = false;
                }
            }
            prop_assert_eq!(store.results("a", 0), expected.clone());
            let left: Vec<(u64, u32)> = attempts.iter().map(|(index, count)| (*index, *count)).collect();
            prop_assert_eq!(store.left("a"), left);
        }
        let results: usize = expected.iter().map(|(_, text)| text.len()).sum();
        // The head and the rows that are left have two and one bytes.
        prop_assert_eq!(store.bytes(), 2 + attempts.len() as u64 + results as u64);
    }
}
