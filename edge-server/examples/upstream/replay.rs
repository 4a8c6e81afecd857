//! Recorded answers, served again in the order of their capture. Files are read once, at start, and whole recordings are
//! served byte for byte. A step moves every series on by one; each stays at its last.
//!
//! Of a directory it knows `prizepicks/{league}_{n}_{YYYY-MM-DD}T{HHMM}.json`, one series a league, and
//! `mlb/diffpatch_{pk}/` with `feed_{timecode}.json` and `diffPatch_{from}_to_{to}.json`, one series a game. Any of them
//! may be gzipped. Files with other names are left alone: they are not parts of a series.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};

use crate::mlb;
use crate::projections;
use crate::upstream::Upstream;

/// How a state of a game was reached from the one before.
enum Answer {
    /// A recorded whole feed, with no patch that leads to it.
    Whole,
    /// A recorded list of patches.
    Patches(Vec<u8>),
}

/// A state of a recorded game.
struct Frame {
    timecode: String,
    answer: Answer,
    /// The whole feed: as recorded, or the one before with the patches applied.
    whole: Vec<u8>,
    document: Value,
}

/// The recordings of a directory. See the module.
pub(crate) struct Replay {
    step: usize,
    games: BTreeMap<u32, Vec<Frame>>,
    boards: BTreeMap<u32, Vec<Vec<u8>>>,
}

impl Replay {
    /// Reads a directory. Fails if it has no series, or a patch that fits no recorded feed.
    pub(crate) fn open(dir: &Path) -> Result<Self> {
        fs::read_dir(dir).with_context(|| format!("cannot read {}", dir.display()))?;
        let mut games = BTreeMap::new();
        for (name, path) in entries(&dir.join("mlb"))? {
            if let Some(pk) = name.strip_prefix("diffpatch_").and_then(|pk| pk.parse().ok()).filter(|_| path.is_dir()) {
                games.insert(pk, game(&path).with_context(|| format!("in {}", path.display()))?);
            }
        }
        // Series in order of capture: the time leads the key.
        let mut boards = BTreeMap::<u32, BTreeMap<String, Vec<u8>>>::new();
        for (name, path) in entries(&dir.join("prizepicks"))? {
            if let Some((league, captured)) = capture(&name) {
                boards.entry(league).or_default().insert(captured, read(&path)?);
            }
        }
        ensure!(!games.is_empty() || !boards.is_empty(), "no recorded series in {}", dir.display());
        let boards = boards.into_iter().map(|(league, series)| (league, series.into_values().collect())).collect();
        Ok(Replay { step: 0, games, boards })
    }

    fn now<'a, T>(&self, series: &'a [T]) -> Option<&'a T> {
        series.get(self.step.min(series.len().checked_sub(1)?))
    }
}

/// League and time of a capture, by its file name; `None` for a file outside any series.
fn capture(name: &str) -> Option<(u32, String)> {
    let mut parts = name.strip_suffix(".gz").unwrap_or(name).strip_suffix(".json")?.split('_');
    let (league, count, time, None) = (parts.next()?, parts.next()?, parts.next()?, parts.next()) else { return None };
    let league = match league {
        "mlb" => 2,
        "nba" => 7,
        "nhl" => 8,
        "nfl" => 9,
        _ => return None,
    };
    let shaped = |(at, letter): (usize, u8)| match at {
        4 | 7 => letter == b'-',
        10 => letter == b'T',
        _ => letter.is_ascii_digit(),
    };
    let is_time = time.len() == "2024-11-15T2009".len() && time.bytes().enumerate().all(shaped);
    (is_time && count.parse::<u32>().is_ok()).then(|| (league, time.to_owned()))
}

/// The series of one game: feeds and patches in order of the state they lead to.
fn game(dir: &Path) -> Result<Vec<Frame>> {
    let mut feeds = BTreeMap::new();
    let mut patches = BTreeMap::new();
    for (name, path) in entries(dir)? {
        let Some(name) = name.strip_suffix(".gz").unwrap_or(&name).strip_suffix(".json") else { continue };
        if let Some(timecode) = name.strip_prefix("feed_") {
            feeds.insert(timecode.to_owned(), read(&path)?);
        } else if let Some((from, to)) = name.strip_prefix("diffPatch_").and_then(|name| name.split_once("_to_")) {
            patches.insert(to.to_owned(), (from.to_owned(), read(&path)?));
        }
    }
    let mut timecodes: Vec<String> = feeds.keys().chain(patches.keys()).cloned().collect();
    timecodes.sort();
    timecodes.dedup();
    let mut frames = Vec::<Frame>::new();
    for timecode in timecodes {
        let recorded = feeds.remove(&timecode);
        let frame = match (patches.remove(&timecode), recorded) {
            (Some((from, patch)), recorded) => {
                let Some(before) = frames.last().filter(|frame| frame.timecode == from) else {
                    bail!("the patch from {from} to {timecode} does not follow a recorded feed");
                };
                let document = patched(&before.document, &patch)
                    .with_context(|| format!("the patch from {from} to {timecode} does not apply"))?;
                let whole = recorded.unwrap_or_else(|| document.to_string().into_bytes());
                Frame { timecode, answer: Answer::Patches(patch), whole, document }
            }
            (None, Some(whole)) => {
                let document = serde_json::from_slice(&whole).with_context(|| format!("feed_{timecode} is no JSON"))?;
                Frame { timecode, answer: Answer::Whole, whole, document }
            }
            (None, None) => continue,
        };
        let says = &frame.document["metaData"]["timeStamp"];
        ensure!(*says == frame.timecode, "the feed of {} has the timecode {says}", frame.timecode);
        frames.push(frame);
    }
    ensure!(!frames.is_empty(), "no feed");
    Ok(frames)
}

/// The document after a recorded list of patches.
fn patched(before: &Value, patches: &[u8]) -> Result<Value> {
    #[derive(serde::Deserialize)]
    struct Entry {
        diff: json_patch::Patch,
    }
    let mut document = before.clone();
    for entry in serde_json::from_slice::<Vec<Entry>>(patches)? {
        json_patch::patch(&mut document, &entry.diff)?;
    }
    Ok(document)
}

/// Names and paths in a directory, sorted; none if it does not exist.
fn entries(dir: &Path) -> Result<Vec<(String, PathBuf)>> {
    if !dir.exists() {
        return Ok(Vec::new());
    }
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).with_context(|| format!("cannot read {}", dir.display()))? {
        let entry = entry?;
        found.push((entry.file_name().to_string_lossy().into_owned(), entry.path()));
    }
    found.sort();
    Ok(found)
}

/// A file's bytes, unpacked if it is gzipped.
fn read(path: &Path) -> Result<Vec<u8>> {
    let bytes = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    if path.extension().is_none_or(|extension| extension != "gz") {
        return Ok(bytes);
    }
    let mut unpacked = Vec::new();
    flate2::read::GzDecoder::new(bytes.as_slice())
        .read_to_end(&mut unpacked)
        .with_context(|| format!("cannot unpack {}", path.display()))?;
    Ok(unpacked)
}

impl Upstream for Replay {
    fn step(&mut self) -> u64 {
        self.step += 1;
        self.steps()
    }

    fn steps(&self) -> u64 {
        self.step as u64
    }

    fn schedule(&self) -> Vec<u8> {
        let current: Vec<&Value> = self.games.values().filter_map(|frames| Some(&self.now(frames)?.document)).collect();
        let copyright = current.first().and_then(|document| document["copyright"].as_str()).unwrap_or_default();
        let entry = |document: &&Value| mlb::schedule_entry(&document["gameData"], &document["liveData"]["linescore"]);
        mlb::schedule(copyright, current.iter().map(entry).collect()).to_string().into_bytes()
    }

    fn feed(&self, pk: u32) -> Option<Vec<u8>> {
        Some(self.now(self.games.get(&pk)?)?.whole.clone())
    }

    fn diff_patch(&self, pk: u32, since: &str) -> Option<Vec<u8>> {
        let frames = self.games.get(&pk)?;
        let played = &frames[..=self.step.min(frames.len() - 1)];
        let Some(known) = played.iter().position(|frame| frame.timecode == since) else { return self.feed(pk) };
        let mut lists = Vec::new();
        for frame in &played[known + 1..] {
            match &frame.answer {
                Answer::Whole => return self.feed(pk),
                Answer::Patches(list) => lists.push(list),
            }
        }
        if let [list] = lists[..] {
            return Some(list.clone());
        }
        let parsed = lists.into_iter().map(|list| serde_json::from_slice::<Vec<Value>>(list));
        let joined: Vec<Value> = parsed.collect::<Result<Vec<_>, _>>().ok()?.into_iter().flatten().collect();
        Some(Value::Array(joined).to_string().into_bytes())
    }

    fn projections(&self, league: u32) -> Vec<u8> {
        let recorded = self.boards.get(&league).and_then(|series| self.now(series));
        recorded.cloned().unwrap_or_else(|| projections::empty(league).to_string().into_bytes())
    }

    fn games(&self) -> Vec<Value> {
        let summary = |(pk, frames): (&u32, &Vec<Frame>)| {
            let document = &self.now(frames)?.document;
            let teams = &document["liveData"]["linescore"]["teams"];
            let side = |side: &str| json!({ "team": document["gameData"]["teams"][side]["abbreviation"], "runs": teams[side]["runs"] });
            Some(json!({
                "gamePk": pk,
                "state": document["gameData"]["status"]["detailedState"],
                "inning": document["liveData"]["linescore"]["currentInning"],
                "away": side("away"),
                "home": side("home"),
                "timeStamp": document["metaData"]["timeStamp"],
            }))
        };
        self.games.iter().filter_map(summary).collect()
    }

    fn projection_counts(&self) -> BTreeMap<u32, usize> {
        let rows = |board: &Vec<u8>| {
            let document: Value = serde_json::from_slice(board).unwrap_or_default();
            document["data"].as_array().map_or(0, Vec::len)
        };
        self.boards.iter().filter_map(|(&league, series)| Some((league, rows(self.now(series)?)))).collect()
    }
}
