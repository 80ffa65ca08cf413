//! What can happen to something in which state: every cell of the tables that the code asks, walked at the API, and every pair of verbs that
//! end in different states raced 30 wide.

mod connections;
mod deployments;
mod domains;
mod expiring;
mod invitations;
mod joins;
mod policies;
mod runs;
mod sessions;
mod tenants;
mod tokens;
mod users;

use std::collections::HashSet;
use std::fmt::Debug;
use std::hash::Hash;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::future::join_all;
use serde_json::Value;
use tests::{Client, Reply, TestApp};

/// Requests at once.
const WIDE: usize = 30;

/// How often something is looked at that goes on by itself.
const LOOK: Duration = Duration::from_millis(50);

/// Something that has a table: how one is made, what can be done to it, and where it stands, at the API.
pub(crate) trait Story {
    type State: Copy + Eq + Hash + Debug + 'static;
    type Verb: Copy + Eq + Debug + 'static;
    /// One of it.
    type One;

    fn states(&self) -> Vec<Self::State>;

    fn verbs(&self) -> Vec<Self::Verb>;

    /// The table.
    fn after(&self, state: Self::State, verb: Self::Verb) -> Option<Self::State>;

    /// Makes one and takes it to this state.
    async fn make(&self, state: Self::State) -> Self::One;

    /// Does this to it, and answers whether it was done.
    async fn act(&self, one: &Self::One, verb: Self::Verb) -> bool;

    /// Where it stands.
    async fn state(&self, one: &Self::One) -> Self::State;

    /// Waits until whatever a verb may have set going has come to its end, or to where it rests. Where a verb is done when it is answered,
    /// nothing has been set going.
    async fn is_at_rest(&self, _: &Self::One) {}

    /// How a verb is answered.
    fn answer(&self, _: Self::Verb) -> Answer {
        Answer::Tells
    }
}

/// How somebody hears whether something was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// By the answer.
    Tells,
    /// By the answer; but it takes several steps, and is refused where something changed between them.
    MayGiveUp,
    /// Not at all: it happens later, and may be passed over where something newer came.
    SaysNothing,
}

/// Goes through every cell, several at once.
pub(crate) async fn walk<S: Story>(story: &S, at_once: usize) {
    let states = story.states();
    let cells = states.iter().flat_map(|state| story.verbs().into_iter().map(|verb| (*state, verb)));
    let wrong: Vec<String> = futures_util::stream::iter(cells)
        .map(|(state, verb)| cell(story, state, verb))
        .buffer_unordered(at_once)
        .filter_map(async |wrong| wrong)
        .collect()
        .await;
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What is wrong with a cell.
async fn cell<S: Story>(story: &S, state: S::State, verb: S::Verb) -> Option<String> {
    let one = story.make(state).await;
    let made = story.state(&one).await;
    let done = story.act(&one, verb).await;
    let after = story.after(state, verb);
    let later = story.answer(verb) == Answer::SaysNothing;
    if later {
        settle(story, &one, after.filter(|after| *after != state)).await;
    }
    let is = story.state(&one).await;
    let answered = later || done == after.is_some();
    let right = made == state && is == after.unwrap_or(state) && answered;
    (!right).then(|| format!("{state:?} (made {made:?}), {verb:?}: {is:?}, done {done}; wanted {after:?}"))
}

/// Waits until it stands where it is to go; where it is to stay, until nothing is under way that could take it elsewhere.
async fn settle<S: Story>(story: &S, one: &S::One, wanted: Option<S::State>) {
    let Some(wanted) = wanted else { return story.is_at_rest(one).await };
    for _ in 0..600 {
        if story.state(one).await == wanted {
            return;
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// Where it stands once it goes nowhere any more.
async fn rested<S: Story>(story: &S, one: &S::One) -> S::State {
    let mut is = story.state(one).await;
    let mut same = 0;
    while same < 10 {
        tokio::time::sleep(LOOK).await;
        let now = story.state(one).await;
        same = if now == is { same + 1 } else { 0 };
        is = now;
    }
    is
}

/// Of each two of these verbs: the first state in which both can happen and from which they lead to different ones.
pub(crate) fn pairs<S: Story>(story: &S, verbs: &[S::Verb]) -> Vec<(S::State, [S::Verb; 2])> {
    let mut found = Vec::new();
    for (at, first) in verbs.iter().enumerate() {
        for second in &verbs[at + 1..] {
            let parts = |state: &S::State| {
                let both = [story.after(*state, *first), story.after(*state, *second)];
                both.iter().all(Option::is_some) && both[0] != both[1]
            };
            found.extend(story.states().into_iter().find(parts).map(|state| (state, [*first, *second])));
        }
    }
    found
}

/// Races every such pair, several races at once.
pub(crate) async fn race_all<S: Story>(story: &S, verbs: &[S::Verb], at_once: usize) {
    race_pairs(story, pairs(story, verbs), at_once).await;
}

async fn race_pairs<S: Story>(story: &S, pairs: Vec<(S::State, [S::Verb; 2])>, at_once: usize) {
    assert!(!pairs.is_empty());
    let wrong: Vec<String> = futures_util::stream::iter(pairs)
        .map(|(state, pair)| race(story, state, pair))
        .buffer_unordered(at_once)
        .filter_map(async |wrong| wrong)
        .collect()
        .await;
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Does two things to one by turns, all at once. Some order of them must explain where it stands then, and what each of them was answered.
async fn race<S: Story>(story: &S, state: S::State, pair: [S::Verb; 2]) -> Option<String> {
    let one = story.make(state).await;
    let all = (0..WIDE).map(|at| story.act(&one, pair[at % 2]));
    let done = join_all(all).await;
    let count = |which: usize| match story.answer(pair[which]) {
        Answer::Tells | Answer::MayGiveUp => done.iter().skip(which).step_by(2).filter(|done| **done).count(),
        Answer::SaysNothing => 0,
    };
    let later = pair.iter().any(|verb| story.answer(*verb) == Answer::SaysNothing);
    let is = if later { rested(story, &one).await } else { story.state(&one).await };
    let came = (is, count(0), count(1));
    let explained = outcomes(story, state, pair).contains(&came);
    (!explained).then(|| format!("{state:?} {pair:?}: no order explains {came:?}"))
}

/// Where something can stand after so many of both in any order, and how many of each were done.
fn outcomes<S: Story>(story: &S, from: S::State, pair: [S::Verb; 2]) -> HashSet<(S::State, usize, usize)> {
    const EACH: usize = WIDE / 2;
    let step = |(state, first, second): (S::State, usize, usize), which: usize| {
        let after = story.after(state, pair[which]);
        let answer = story.answer(pair[which]);
        let told = answer != Answer::SaysNothing && after.is_some();
        let counted = (first + usize::from(told && which == 0), second + usize::from(told && which == 1));
        let went = (after.unwrap_or(state), counted.0, counted.1);
        let passed = (answer != Answer::Tells).then_some((state, first, second));
        [Some(went), passed].into_iter().flatten()
    };
    let mut column = vec![HashSet::from([(from, 0, 0)]); EACH + 1];
    for firsts in 0..=EACH {
        for seconds in 0..=EACH {
            let mut here = HashSet::new();
            if firsts == 0 && seconds == 0 {
                here.insert((from, 0, 0));
            }
            if firsts > 0 {
                here.extend(column[seconds].iter().flat_map(|one| step(*one, 0)));
            }
            if seconds > 0 {
                here.extend(column[seconds - 1].iter().flat_map(|one| step(*one, 1)));
            }
            column[seconds] = here;
        }
    }
    column.pop().unwrap_or_default()
}

/// Sends two requests by turns, all at once; answers how many of each succeeded.
async fn both(first: impl AsyncFn() -> Reply, second: impl AsyncFn() -> Reply) -> (usize, usize) {
    let all = (0..WIDE).map(async |at| if at % 2 == 0 { first().await } else { second().await });
    let replies = join_all(all).await;
    for reply in &replies {
        assert!(!reply.status.is_server_error(), "{}", reply.text);
    }
    let good =
        |which: usize| replies.iter().skip(which).step_by(2).filter(|one| one.status.is_success()).count();
    (good(0), good(1))
}

async fn app() -> TestApp {
    TestApp::with(|config| {
        config.rate_limit.enabled = false;
        config.section_mut::<provisioning::Settings>().recycle_period = std::time::Duration::from_secs(3600);
        config.section_mut::<::invitations::Settings>().per_organization_per_day = 10_000;
        config.section_mut::<tenancy::Limits>().organizations = 1_000;
    })
    .await
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_else(|| panic!("{name} in {value}"))
}

/// Whether it was done. Failures of the service are nobody's refusals.
#[track_caller]
fn done(reply: &Reply) -> bool {
    assert!(!reply.status.is_server_error(), "{} {}", reply.status, reply.text);
    reply.status.is_success()
}

/// Whether it was done; if not, it was refused for this reason.
#[track_caller]
fn done_or(reply: Reply, status: u16, code: &str) -> bool {
    let done = done(&reply);
    if !done {
        reply.refused(status, code);
    }
    done
}

/// Asks until somebody decides: a process that is busy, or a directory that is being restored, says that it may be asked again.
async fn decided(client: &Client, method: reqwest::Method, path: &str, body: &Value) -> Reply {
    tests::eventually("a decision", async || {
        let reply = Reply::read(client.request(method.clone(), path).json(body)).await;
        (!matches!(reply.status.as_u16(), 429 | 503)).then_some(reply)
    })
    .await
}

/// A new organization of the tenant `acme`; answers its path.
async fn organization(operator: &Client) -> String {
    let slug = format!("o{}", platform::ids::new().simple());
    let made = serde_json::json!({"slug": slug, "name": slug});
    operator.post("/api/v1/tenants/acme/organizations", made).await.expect(201);
    format!("/api/v1/tenants/acme/organizations/{slug}")
}

mod harness {
    //! The judge judges: what no order explains is found.

    use super::*;

    /// Two lamps' worth of a table, whose lamp may be broken.
    struct Lamp {
        forgets: bool,
        is: std::cell::Cell<bool>,
    }

    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    enum Press {
        On,
        Toggle,
    }

    impl Story for Lamp {
        type State = bool;
        type Verb = Press;
        type One = ();

        fn states(&self) -> Vec<bool> {
            vec![false, true]
        }

        fn verbs(&self) -> Vec<Press> {
            vec![Press::On, Press::Toggle]
        }

        fn after(&self, state: bool, verb: Press) -> Option<bool> {
            match verb {
                Press::On => (!state).then_some(true),
                Press::Toggle => Some(!state),
            }
        }

        async fn make(&self, state: bool) {
            self.is.set(state);
        }

        async fn act(&self, (): &(), verb: Press) -> bool {
            let after = self.after(self.is.get(), verb);
            if !self.forgets {
                self.is.set(after.unwrap_or(self.is.get()));
            }
            after.is_some()
        }

        async fn state(&self, (): &()) -> bool {
            self.is.get()
        }
    }

    #[actix_web::test]
    async fn what_no_order_explains_is_found() {
        let lamp = |forgets| Lamp { forgets, is: std::cell::Cell::new(false) };
        assert_eq!(cell(&lamp(false), false, Press::On).await, None);
        assert!(cell(&lamp(true), false, Press::On).await.is_some());
        for pair in [[Press::On, Press::Toggle], [Press::On, Press::On]] {
            assert_eq!(race(&lamp(false), false, pair).await, None, "{pair:?}");
        }
        // It says that it went on thirty times, and nobody switched it off.
        assert!(race(&lamp(true), false, [Press::On, Press::On]).await.is_some());
        assert_eq!(pairs(&lamp(false), &[Press::On, Press::Toggle]), []);
    }
}
