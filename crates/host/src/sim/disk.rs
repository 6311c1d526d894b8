//! Files as processes see them, and as the disk has them.

use std::collections::BTreeMap;

use segwall_core::plan::FileState;

type Inode = usize;

/// A change of a directory that is not on the disk yet.
#[derive(Debug, Clone)]
enum Entry {
    Link(String, Inode),
    Rename(String, String),
    Unlink(String),
}

impl Entry {
    fn dir(&self) -> &str {
        let (Self::Link(path, _) | Self::Rename(path, _) | Self::Unlink(path)) = self;
        path.rsplit_once('/').map_or("", |(dir, _)| dir)
    }

    fn apply(self, names: &mut BTreeMap<String, Inode>) {
        match self {
            Self::Link(path, inode) => {
                names.insert(path, inode);
            }
            Self::Rename(from, to) => {
                if let Some(inode) = names.remove(&from) {
                    names.insert(to, inode);
                }
            }
            Self::Unlink(path) => {
                names.remove(&path);
            }
        }
    }
}

/// Contents: as written, and as on the disk.
#[derive(Debug, Clone)]
struct Content {
    now: FileState,
    synced: Option<FileState>,
}

#[derive(Debug, Clone)]
pub(super) struct Disk {
    names: BTreeMap<String, Inode>,
    contents: Vec<Content>,
    names_on_disk: BTreeMap<String, Inode>,
    pending: Vec<Entry>,
}

impl Disk {
    pub(super) fn new(files: &[(&str, FileState)]) -> Self {
        let contents: Vec<Content> =
            files.iter().map(|(_, file)| Content { now: file.clone(), synced: Some(file.clone()) }).collect();
        let names: BTreeMap<String, Inode> = files.iter().map(|(path, _)| (*path).to_owned()).zip(0..).collect();
        Self { names_on_disk: names.clone(), names, contents, pending: Vec::new() }
    }

    pub(super) fn add(&mut self, path: &str, file: FileState) {
        let inode = self.contents.len();
        self.contents.push(Content { now: file.clone(), synced: Some(file) });
        self.names.insert(path.to_owned(), inode);
        self.names_on_disk.insert(path.to_owned(), inode);
    }

    pub(super) fn files(&self) -> BTreeMap<String, FileState> {
        self.names.iter().map(|(path, inode)| (path.clone(), self.contents[*inode].now.clone())).collect()
    }

    pub(super) fn read(&self, path: &str) -> Option<FileState> {
        self.names.get(path).map(|inode| self.contents[*inode].now.clone())
    }

    pub(super) fn put(&mut self, path: &str, file: &FileState) {
        if let Some(inode) = self.names.get(path) {
            self.contents[*inode].now = file.clone();
            return;
        }
        let inode = self.contents.len();
        self.contents.push(Content { now: file.clone(), synced: None });
        self.enter(Entry::Link(path.to_owned(), inode));
    }

    fn enter(&mut self, entry: Entry) {
        entry.clone().apply(&mut self.names);
        self.pending.push(entry);
    }

    pub(super) fn sync(&mut self, path: &str) {
        if let Some(inode) = self.names.get(path) {
            let content = &mut self.contents[*inode];
            content.synced = Some(content.now.clone());
        }
    }

    pub(super) fn rename(&mut self, from: &str, to: &str) {
        self.enter(Entry::Rename(from.to_owned(), to.to_owned()));
    }

    pub(super) fn remove(&mut self, path: &str) {
        if self.names.contains_key(path) {
            self.enter(Entry::Unlink(path.to_owned()));
        }
    }

    pub(super) fn sync_dir(&mut self, dir: &str) {
        let (ready, rest): (Vec<Entry>, Vec<Entry>) =
            std::mem::take(&mut self.pending).into_iter().partition(|entry| entry.dir() == dir);
        self.pending = rest;
        for entry in ready {
            entry.apply(&mut self.names_on_disk);
        }
    }

    pub(super) fn list(&self, dir: &str) -> Vec<String> {
        let inside = |path: &String| {
            let rest = path.strip_prefix(dir)?.strip_prefix('/')?;
            rest.split('/').next().map(str::to_owned)
        };
        let mut names: Vec<String> = self.names.keys().filter_map(inside).collect();
        names.dedup();
        names
    }

    /// What is left of it. A directory's pending entries are there up to some one of them; contents that were not synced
    /// are old, torn or new.
    pub(super) fn lose_power(&mut self, random: &mut dyn FnMut() -> u64) {
        let pending = std::mem::take(&mut self.pending);
        let mut kept: BTreeMap<String, usize> = BTreeMap::new();
        for entry in &pending {
            *kept.entry(entry.dir().to_owned()).or_default() += 1;
        }
        for count in kept.values_mut() {
            *count = usize::try_from(random() % (*count as u64 + 1)).unwrap_or(0);
        }
        for entry in pending {
            let left = kept.get_mut(entry.dir()).expect("counted above");
            if *left > 0 {
                *left -= 1;
                entry.apply(&mut self.names_on_disk);
            }
        }
        for content in &mut self.contents {
            if content.synced.as_ref() == Some(&content.now) {
                continue;
            }
            let len = content.now.bytes.len();
            let torn = || FileState { mode: content.now.mode, bytes: content.now.bytes[..len / 2].to_vec() };
            let left = match (random() % 3, content.synced.clone()) {
                (0, Some(old)) => old,
                (0, None) => FileState { mode: content.now.mode, bytes: Vec::new() },
                (1, _) => torn(),
                (_, _) => content.now.clone(),
            };
            *content = Content { now: left.clone(), synced: Some(left) };
        }
        self.names = self.names_on_disk.clone();
    }
}
