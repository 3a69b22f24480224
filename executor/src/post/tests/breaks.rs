//! Every point at which a POST can break, and every way in which it can.

use super::*;
use futures::{StreamExt, stream};

const DENIED: &str = r#"{"errors":["1 error occurred:\n\t* permission denied\n\n"]}"#;
const CUT: &str = r#"{"errors":["failed to read snapshot file: unexpected EOF"]}"#;
const TIMED_OUT: &str = r#"{"errors":["failed to read snapshot file: read tcp a->b: i/o timeout"]}"#;
const QUOTA: &str = r#"{"errors":["request path \"x\": rate limit quota exceeded"]}"#;
const PAGE: &str = "<html>no</html>";

/// Breaks that are tried at once.
const AT_ONCE: usize = 24;

/// Where, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Point {
    /// Nothing is read.
    First,
    Head,
    Middle,
    /// All is read that comes before the tail.
    Tail,
    /// In the line, and then in the text, of an answer that came before the tail.
    EarlyLine,
    EarlyText,
    /// The tail is read.
    After,
    /// In the line of an acknowledgement, and in the text of a refusal.
    Line,
    Text,
}

/// How.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Reset,
    Close,
    Stall,
    /// An answer, from one that goes on reading or from one that leaves.
    Answers(u16, &'static str, bool),
}

const POINTS: [Point; 9] = [
    Point::First,
    Point::Head,
    Point::Middle,
    Point::Tail,
    Point::EarlyLine,
    Point::EarlyText,
    Point::After,
    Point::Line,
    Point::Text,
];

/// Answers, and what they mean before the tail and after it.
const ANSWERS: [(u16, &str, &str, &str); 13] = [
    (204, "", "final", "acknowledged"),
    (307, "", "again", "unclear"),
    (400, CUT, "final", "refused"),
    (403, DENIED, "final", "refused"),
    (403, PAGE, "final", "unclear"),
    (413, PAGE, "final", "unclear"),
    (429, QUOTA, "again", "refused"),
    (429, PAGE, "again", "unclear"),
    (500, CUT, "final", "refused"),
    (500, TIMED_OUT, "read timeout", "refused"),
    (502, PAGE, "again", "unclear"),
    (503, PAGE, "again", "unclear"),
    (504, CUT, "again", "unclear"),
];

fn ways() -> Vec<Way> {
    let answers = ANSWERS
        .into_iter()
        .flat_map(|(status, text, ..)| [true, false].map(|leaves| Way::Answers(status, text, leaves)));
    [Way::Reset, Way::Close, Way::Stall].into_iter().chain(answers).collect()
}

/// What the server does.
fn acts(point: Point, way: Way, size: u64) -> Vec<Act> {
    let before = size - TAIL;
    let mut acts = match point {
        Point::First => vec![Act::Wait],
        Point::Head => vec![Act::Read(0)],
        Point::Middle => vec![Act::Read(size / 2)],
        Point::Tail => vec![Act::Read(before)],
        Point::EarlyLine => vec![Act::Read(before), Act::Answer("HTTP/1.1 50".to_owned())],
        Point::EarlyText => vec![Act::Read(before), Act::Answer(part(413, PAGE))],
        Point::After => vec![Act::Read(size)],
        Point::Line => vec![Act::Read(size), Act::Answer("HTTP/1.1 204 No".to_owned())],
        Point::Text => vec![Act::Read(size), Act::Answer(part(403, DENIED))],
    };
    acts.extend(match way {
        Way::Reset => vec![Act::Reset],
        Way::Close => vec![Act::Close],
        Way::Stall => vec![Act::Hold],
        Way::Answers(status, text, leaves) => {
            let answer = Act::Answer(answer(status, text));
            if leaves { vec![answer, Act::Leave] } else { vec![answer] }
        }
    });
    acts
}

/// An answer whose last byte does not come.
fn part(status: u16, text: &str) -> String {
    let whole = answer(status, text);
    whole[..whole.len() - 1].to_owned()
}

/// What has to come of it; none: it cannot be.
fn expected(point: Point, way: Way) -> Option<&'static str> {
    let early = point < Point::After;
    Some(match (point, way) {
        (Point::EarlyLine | Point::EarlyText | Point::Line | Point::Text, Way::Answers(..)) => return None,
        (_, Way::Answers(status, text, _)) => {
            let (.., before, after) =
                ANSWERS.into_iter().find(|known| (known.0, known.1) == (status, text))?;
            if early { before } else { after }
        }
        (Point::EarlyText, _) => "final",
        (Point::First | Point::Head | Point::Middle, _)
        | (Point::Tail | Point::EarlyLine, Way::Reset | Way::Close) => "again",
        // Before the tail, nobody can tell it from a server that waits for the tail.
        _ => "unclear",
    })
}

/// What comes of it, as it has to, with all that is said.
async fn outcome(point: Point, way: Way, expected: &str) -> (&'static str, String) {
    // Only where more is sent than sockets keep a server that does not read stops it.
    let snapshot = if way == Way::Stall { Snapshot::large() } else { Snapshot::small() };
    let server = Server::start(acts(point, way, snapshot.pinned.size));
    let mut posting = snapshot.post(&server.address).await;
    let ended = match posting.ready().await {
        Err(ended) => ended,
        // The server knew no earlier that all had arrived.
        Ok(()) if point < Point::After && expected != "unclear" => posting.ended().await,
        Ok(()) => {
            let longest = if way == Way::Stall { Duration::from_secs(5) } else { LONG };
            let sent = posting.finish(Moment::now(), longest).await.0;
            let name = match &sent {
                Sent::Nothing(_) => "nothing",
                Sent::Acknowledged => "acknowledged",
                Sent::Refused(_) => "refused",
                Sent::Unclear(_) => "unclear",
            };
            return (name, format!("{sent:?}"));
        }
    };
    let name = match &ended {
        Ended::Again { .. } => "again",
        Ended::Final(_) => "final",
        Ended::Unready(_) => "unready",
        Ended::ReadTimeout(_) => "read timeout",
    };
    (name, format!("{ended:?}"))
}

/// Bug: what a server may have taken is called not taken, what it cannot have taken is in doubt, or an answer is not read
/// because it came early or its server left.
#[tokio::test(flavor = "multi_thread")]
async fn each_break_has_its_outcome() {
    let all = POINTS.into_iter().flat_map(|point| ways().into_iter().map(move |way| (point, way)));
    let mut all: Vec<_> = all.filter_map(|(point, way)| Some((point, way, expected(point, way)?))).collect();
    // What takes longest begins first.
    all.sort_by_key(|(_, way, _)| *way != Way::Stall);
    println!("{} breaks", all.len());
    let outcomes = stream::iter(&all).map(|(point, way, expected)| async move {
        let found = timeout(LONG, outcome(*point, *way, expected)).await;
        let is_right = found.as_ref().is_ok_and(|(name, _)| name == expected);
        (!is_right).then(|| format!("{point:?}, {way:?}: not {expected}, but {found:?}"))
    });
    let wrong: Vec<String> =
        outcomes.buffer_unordered(AT_ONCE).filter_map(std::future::ready).collect().await;
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Bug: an answer that comes between the wait for it and the tail is not seen, and the tail is sent after it.
#[tokio::test(flavor = "multi_thread")]
async fn an_answer_while_the_tail_is_held_ends_the_post() {
    for (status, text) in [(403, DENIED), (503, PAGE), (204, "")].repeat(10) {
        let server = Server::start(vec![Act::Read(BEFORE), Act::Pause, Act::Answer(answer(status, text))]);
        let mut posting = Snapshot::small().post(&server.address).await;
        posting.ready().await.unwrap();
        server.go.notify_one();
        let ended = posting.ended().await;
        assert!(ended.fault().contains(&status.to_string()), "{ended:?}");
        assert_eq!(posting.ended().await, ended, "it is said again");
        let sent = posting.finish(Moment::now(), LONG).await.0;
        assert_eq!(sent, Sent::Nothing(ended.fault().to_owned()));
        assert_eq!(server.end().await.1.len() as u64, BEFORE);
    }
}

/// Bug: a server that asks for time is asked again at once, or one that speaks something else again and again.
#[tokio::test]
async fn who_asks_for_time_gets_it_and_who_speaks_another_protocol_is_left() {
    let seven = Duration::from_secs(7);
    for (text, after) in [
        ("HTTP/1.1 429 X\r\nRetry-After: 7\r\nContent-Length: 0\r\n\r\n", Some(seven)),
        ("HTTP/1.1 503 X\r\nRetry-After: soon\r\nContent-Length: 0\r\n\r\n", Some(Duration::ZERO)),
        ("SSH-2.0-x\r\n", None),
    ] {
        let server = Server::start(vec![Act::Read(0), Act::Answer(text.to_owned())]);
        let posting = Snapshot::small().post(&server.address).await;
        let ended = posting.ended().await;
        let found = if let Ended::Again { after, .. } = &ended { Some(*after) } else { None };
        assert_eq!(found, after, "{ended:?}");
    }
}

/// Bug: a POST that broke while its ticket was claimed is in doubt, though nothing of its tail was sent.
#[tokio::test]
async fn a_connection_that_breaks_while_the_tail_is_held_has_sent_nothing() {
    for way in [Act::Reset, Act::Close] {
        let server = Server::start(vec![Act::Read(BEFORE), Act::Pause, way.clone()]);
        let mut posting = Snapshot::small().post(&server.address).await;
        posting.ready().await.unwrap();
        server.go.notify_one();
        assert!(matches!(posting.ended().await, Ended::Again { .. }), "{way:?}");
        assert!(matches!(posting.finish(Moment::now(), LONG).await.0, Sent::Nothing(_)), "{way:?}");
        assert_eq!(server.end().await.1.len() as u64, BEFORE);
    }
}
