//! A request on its way to the server and back, point by point where it is the POST of a snapshot.

use super::Shared;
use super::ending::Client;
use super::head::{Body, Head};
use super::road::Road;
use super::stop::{End, HELD_BACK, Where};
use tokio::io::{AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// What is being sent.
pub(super) struct Sending<'a> {
    shared: &'a Shared,
    body: Body,
    /// Its number, where it is the POST of a snapshot.
    post: Option<usize>,
    length: u64,
    sent: u64,
    /// What the server lacks of it.
    last: Vec<u8>,
}

impl Drop for Sending<'_> {
    fn drop(&mut self) {
        if let Some(post) = self.post {
            self.shared.record.over(post);
        }
    }
}

impl<'a> Sending<'a> {
    pub(super) fn of(shared: &'a Shared, head: &Head) -> Self {
        let length = head.length();
        let post = head.is_snapshot().then(|| shared.record.begin(length));
        Self { shared, body: head.body_of_request(), post, length, sent: 0, last: Vec::new() }
    }

    /// What becomes of it at this point.
    pub(super) async fn at(&self, point: Where) -> End {
        if self.post.is_some() { self.shared.at(point).await } else { End::GoOn }
    }

    /// Passes the body on; of a snapshot, as much as the server restores nothing of.
    pub(super) async fn upload(
        &mut self,
        client: &mut Client,
        to: &mut (impl AsyncWrite + Unpin),
        road: Road,
    ) -> anyhow::Result<End> {
        if self.post.is_none() {
            self.body.pass(client, to).await?;
            return Ok(End::GoOn);
        }
        let tail = self.length.saturating_sub(self.shared.tail());
        for (upto, point) in
            [(1, Where::FirstByte), (self.length / 2, Where::Half), (tail, Where::BeforeTail)]
        {
            if !self.pass(client, to, upto).await? {
                return Ok(End::Close);
            }
            let end = self.read(road, point).await?;
            if end != End::GoOn {
                return Ok(end);
            }
        }
        let mut rest = vec![0; usize::try_from(self.length - self.sent)?];
        client.read_exact(&mut rest).await?;
        self.note(self.length);
        self.last = rest.split_off(rest.len().saturating_sub(HELD_BACK));
        self.deliver(to, &rest, road, Where::Tail).await
    }

    /// Passes the rest on.
    pub(super) async fn finish(
        &mut self,
        to: &mut (impl AsyncWrite + Unpin),
        road: Road,
    ) -> anyhow::Result<End> {
        let last = std::mem::take(&mut self.last);
        self.deliver(to, &last, road, Where::AfterTail).await
    }

    /// Gives the head of the answer.
    pub(super) async fn give(&self, client: &mut Client, answer: &Head) -> anyhow::Result<End> {
        let (first, last) = answer.bytes.split_at(answer.bytes.len() / 2);
        for (bytes, point) in [(&[][..], Where::Answer), (first, Where::InAnswer)] {
            client.write_all(bytes).await?;
            client.flush().await?;
            let end = self.at(point).await;
            if end != End::GoOn {
                return Ok(end);
            }
        }
        client.write_all(last).await?;
        Ok(End::GoOn)
    }

    /// Whether the body has so many bytes; fewer where the client has ended.
    async fn pass(
        &mut self,
        client: &mut Client,
        to: &mut (impl AsyncWrite + Unpin),
        upto: u64,
    ) -> anyhow::Result<bool> {
        let wanted = upto.saturating_sub(self.sent);
        let passed = tokio::io::copy(&mut client.take(wanted), to).await?;
        to.flush().await?;
        self.note(self.sent + passed);
        Ok(passed == wanted)
    }

    async fn deliver(
        &self,
        to: &mut (impl AsyncWrite + Unpin),
        bytes: &[u8],
        road: Road,
        point: Where,
    ) -> anyhow::Result<End> {
        to.write_all(bytes).await?;
        to.flush().await?;
        self.read(road, point).await
    }

    /// What is to break here breaks once the server has read all that was sent: a reset would take it away again.
    async fn read(&self, road: Road, point: Where) -> anyhow::Result<End> {
        let Some(then) = self.post.and_then(|_| self.shared.order.at(point)) else {
            return Ok(End::GoOn);
        };
        if self.shared.is_read() {
            road.is_empty().await?;
        }
        Ok(self.shared.end(then).await)
    }

    fn note(&mut self, sent: u64) {
        self.sent = sent;
        if let Some(post) = self.post {
            self.shared.record.received(post, sent);
        }
    }
}
