//! What people do to the volumes of servers: put them back to a copy, or wipe them and begin anew.

use super::{Node, Outside};
use std::fs;
use std::io;
use std::path::Path;
use tempfile::TempDir;

/// The data of every server, as they were at one moment.
#[derive(Debug)]
pub struct Copies(Vec<TempDir>);

impl Outside {
    /// Copies the volumes while every server stands still: what a storage provider calls a snapshot.
    ///
    /// # Errors
    /// When a file cannot be read or written.
    pub fn copy_volumes(&self) -> io::Result<Copies> {
        self.nodes.iter().for_each(Node::freeze);
        let copies = self.nodes.iter().map(|node| {
            let copy = tempfile::tempdir_in(node.folder())?;
            copy_all(&node.data(), copy.path())?;
            io::Result::Ok(copy)
        });
        let copies = copies.collect::<io::Result<_>>();
        self.nodes.iter().for_each(Node::thaw);
        Ok(Copies(copies?))
    }

    /// Puts the volumes back to what they were, under servers that are killed for it and started again.
    ///
    /// # Errors
    /// When a file cannot be written, or the servers do not come back.
    pub async fn put_back(&mut self, copies: &Copies) -> anyhow::Result<()> {
        for node in &mut self.nodes {
            node.kill().await;
        }
        for (node, copy) in self.nodes.iter().zip(&copies.0) {
            fs::remove_dir_all(node.data())?;
            copy_all(copy.path(), &node.data())?;
        }
        for node in &mut self.nodes {
            node.start().await?;
        }
        self.unseal(self.nodes.len()).await?;
        self.leader().await?;
        Ok(())
    }

    /// Wipes the volumes, and initialises the servers anew: another OpenBao at the same addresses, with another root token.
    ///
    /// # Errors
    /// When a file cannot be removed, or the servers do not get there.
    pub async fn begin_anew(&mut self) -> anyhow::Result<()> {
        for node in &mut self.nodes {
            node.kill().await;
            fs::remove_dir_all(node.data())?;
            fs::create_dir(node.data())?;
        }
        self.initialise().await
    }
}

fn copy_all(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let to = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_all(&entry.path(), &to)?;
        } else {
            fs::copy(entry.path(), to)?;
        }
    }
    Ok(())
}
