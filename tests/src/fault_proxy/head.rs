//! HTTP/1.1 as it goes over the wire: heads, and where the body behind one ends.

use anyhow::{Context, ensure};
use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt, AsyncWrite, AsyncWriteExt};

const SNAPSHOT: &str = "/v1/sys/storage/raft/snapshot";
/// Far more than anybody who speaks with OpenBao sends, or OpenBao.
const LONGEST: usize = 64 * 1024;
/// The dry run of the seal check has an empty state.bin: a few KiB. A snapshot has the keyring and more.
const DRY_RUN: u64 = 12 * 1024;

/// A head as it came.
pub(super) struct Head {
    pub(super) bytes: Vec<u8>,
    first: String,
    length: Option<u64>,
    is_chunked: bool,
    is_last: bool,
}

/// How a body ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Body {
    After(u64),
    Chunked,
    WithTheConnection,
}

impl Head {
    /// None where the connection ends between two messages.
    pub(super) async fn read(from: &mut (impl AsyncBufRead + Unpin)) -> anyhow::Result<Option<Self>> {
        let mut head =
            Self { bytes: Vec::new(), first: String::new(), length: None, is_chunked: false, is_last: false };
        loop {
            let line = line(from).await?;
            if line.is_empty() && head.bytes.is_empty() {
                return Ok(None);
            }
            ensure!(line.ends_with(b"\r\n"), "the head was cut");
            ensure!(head.bytes.len() < LONGEST, "the head is too long");
            head.note(std::str::from_utf8(&line)?.trim_end())?;
            head.bytes.extend(&line);
            if line == b"\r\n" {
                return Ok(Some(head));
            }
        }
    }

    /// The answer. Whoever may go on is not told: nobody waits for that word.
    pub(super) async fn answer(from: &mut (impl AsyncBufRead + Unpin)) -> anyhow::Result<Option<Self>> {
        loop {
            match Self::read(from).await? {
                Some(head) if head.status()? < 200 => {}
                head => return Ok(head),
            }
        }
    }

    fn note(&mut self, line: &str) -> anyhow::Result<()> {
        if self.bytes.is_empty() {
            line.clone_into(&mut self.first);
        }
        let Some((name, value)) = line.split_once(':').filter(|_| !self.bytes.is_empty()) else {
            return Ok(());
        };
        let value = value.trim();
        match name.to_ascii_lowercase().as_str() {
            "content-length" => self.length = Some(value.parse()?),
            "transfer-encoding" => self.is_chunked = value.eq_ignore_ascii_case("chunked"),
            "connection" => self.is_last = value.eq_ignore_ascii_case("close"),
            _ => {}
        }
        Ok(())
    }

    /// Whether it is a request by this method for this path, or one below.
    pub(super) fn asks(&self, method: &str, path: &str) -> bool {
        self.first
            .strip_prefix(method)
            .and_then(|rest| rest.strip_prefix(' '))
            .is_some_and(|rest| rest.starts_with(path))
    }

    /// What a request asks for.
    pub(super) fn path(&self) -> &str {
        self.first.split(' ').nth(1).unwrap_or_default()
    }

    /// Whether a whole snapshot follows.
    pub(super) fn is_snapshot(&self) -> bool {
        self.asks("POST", SNAPSHOT) && self.length.is_some_and(|length| length >= DRY_RUN)
    }

    /// Whether a whole snapshot is asked for.
    pub(super) fn is_download(&self) -> bool {
        self.asks("GET", SNAPSHOT)
    }

    /// Of the body; none where it is not said.
    pub(super) fn length(&self) -> u64 {
        self.length.unwrap_or_default()
    }

    /// Of an answer.
    pub(super) fn status(&self) -> anyhow::Result<u16> {
        self.first.split(' ').nth(1).and_then(|status| status.parse().ok()).context("no status")
    }

    /// Whether its sender ends the connection after it.
    pub(super) fn is_last(&self) -> bool {
        self.is_last
    }

    pub(super) fn body_of_request(&self) -> Body {
        if self.is_chunked { Body::Chunked } else { Body::After(self.length()) }
    }

    pub(super) fn body_of_answer(&self, request: &Self) -> anyhow::Result<Body> {
        let has_none = matches!(self.status()?, 100..200 | 204 | 304) || request.first.starts_with("HEAD ");
        Ok(match self.length {
            _ if has_none => Body::After(0),
            _ if self.is_chunked => Body::Chunked,
            Some(length) => Body::After(length),
            None => Body::WithTheConnection,
        })
    }

    /// The same, and asks for the end of the connection after the answer.
    pub(super) fn closing(&self) -> Vec<u8> {
        let lines = self.bytes.strip_suffix(b"\r\n").unwrap_or(&self.bytes);
        [lines, b"connection: close\r\n\r\n"].concat()
    }
}

impl Body {
    /// Passes all of it on.
    pub(super) async fn pass(
        self,
        from: &mut (impl AsyncBufRead + Unpin),
        to: &mut (impl AsyncWrite + Unpin),
    ) -> anyhow::Result<()> {
        match self {
            Self::After(length) => exactly(from, to, length).await?,
            Self::WithTheConnection => {
                tokio::io::copy(from, to).await?;
            }
            Self::Chunked => while chunk(from, to).await? {},
        }
        Ok(to.flush().await?)
    }
}

/// Passes one chunk on; says whether more follow.
async fn chunk(
    from: &mut (impl AsyncBufRead + Unpin),
    to: &mut (impl AsyncWrite + Unpin),
) -> anyhow::Result<bool> {
    let size = line(from).await?;
    to.write_all(&size).await?;
    let text = std::str::from_utf8(&size)?.trim_end();
    let size = u64::from_str_radix(text.split(';').next().unwrap_or_default(), 16).context("no chunk")?;
    // Nobody sends trailers.
    exactly(from, to, size + 2).await?;
    Ok(size > 0)
}

async fn exactly(
    from: &mut (impl AsyncBufRead + Unpin),
    to: &mut (impl AsyncWrite + Unpin),
    length: u64,
) -> std::io::Result<()> {
    let passed = tokio::io::copy(&mut from.take(length), to).await?;
    if passed < length { Err(std::io::ErrorKind::UnexpectedEof.into()) } else { Ok(()) }
}

async fn line(from: &mut (impl AsyncBufRead + Unpin)) -> std::io::Result<Vec<u8>> {
    let mut line = Vec::new();
    from.read_until(b'\n', &mut line).await?;
    Ok(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn head(text: &str) -> Head {
        Head::read(&mut text.as_bytes()).await.unwrap().unwrap()
    }

    /// Bug: a POST of a snapshot is not counted, or a dry run is; both would let a test pass that should not.
    #[tokio::test]
    async fn only_a_whole_snapshot_is_one() {
        for (request, is) in [
            ("POST /v1/sys/storage/raft/snapshot HTTP/1.1\r\nContent-Length: 30000\r\n\r\n", [true, false]),
            (
                "POST /v1/sys/storage/raft/snapshot-force HTTP/1.1\r\ncontent-length: 30000\r\n\r\n",
                [true, false],
            ),
            ("POST /v1/sys/storage/raft/snapshot HTTP/1.1\r\ncontent-length: 4096\r\n\r\n", [false, false]),
            ("POST /v1/app/treasure HTTP/1.1\r\ncontent-length: 30000\r\n\r\n", [false, false]),
            ("GET /v1/sys/storage/raft/snapshot HTTP/1.1\r\n\r\n", [false, true]),
            ("GET /v1/sys/health HTTP/1.1\r\n\r\n", [false, false]),
        ] {
            let head = head(request).await;
            assert_eq!([head.is_snapshot(), head.is_download()], is, "{request}");
            assert_eq!(head.bytes, request.as_bytes());
            assert!(head.closing().ends_with(b"\r\nconnection: close\r\n\r\n"), "{request}");
        }
    }

    /// Bug: the next answer of a connection begins in the body of the one before.
    #[tokio::test]
    async fn a_body_ends_where_its_head_says() {
        let get = head("GET /v1/sys/leader HTTP/1.1\r\n\r\n").await;
        let chunked = "4\r\nWiki\r\n10;x=y\r\n0123456789abcdef\r\n0\r\n\r\n";
        for (answer, expected, body) in [
            ("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n", Body::After(3), "abc"),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", Body::Chunked, chunked),
            ("HTTP/1.1 204 No Content\r\n\r\n", Body::After(0), ""),
            ("HTTP/1.1 100 Continue\r\n\r\n", Body::After(0), ""),
        ] {
            let kind = head(answer).await.body_of_answer(&get).unwrap();
            assert_eq!(kind, expected, "{answer}");
            let (bytes, mut to) = (format!("{body}HTTP/1.1 next"), Vec::new());
            let mut from = bytes.as_bytes();
            kind.pass(&mut from, &mut to).await.unwrap();
            assert_eq!((to.as_slice(), from), (body.as_bytes(), &b"HTTP/1.1 next"[..]), "{answer}");
        }
        let cut = Body::After(4).pass(&mut &b"abc"[..], &mut Vec::new()).await;
        assert!(cut.is_err(), "a body that was cut is told as whole");
    }
}
