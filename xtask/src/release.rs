//! `cargo xtask release VERSION`: dates the changelog's section, writes the version into every manifest, commits and
//! tags. Pushing the tag is left to people; it starts `.github/workflows/release.yml`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, bail};
use clap::Args;

use crate::process::{execute, output};
use crate::workspace;

/// What to release.
#[derive(Args)]
pub struct ReleaseOptions {
    /// The new version, such as 1.2.3
    version: String,
    /// Say what would be written, and write nothing
    #[arg(long)]
    dry_run: bool,
}

/// Releases, or says what a release would write.
pub fn run(options: &ReleaseOptions) -> Result<ExitCode> {
    let today = jiff::Timestamp::now().strftime("%Y-%m-%d").to_string();
    let release = Release::plan(workspace::root(), &options.version, &today)?;
    for (path, _) in &release.files {
        println!("{}: {}", path.display(), release.version);
    }
    println!("\n{}", release.notes);
    if options.dry_run {
        println!("nothing was written");
    } else {
        release.carry_out()?;
        println!(
            "committed and tagged; to publish: git push origin HEAD {}",
            release.tag()
        );
    }
    Ok(ExitCode::SUCCESS)
}

/// Everything that a release writes.
struct Release {
    root: PathBuf,
    version: String,
    /// Paths below the root, and their new content.
    files: Vec<(PathBuf, String)>,
    /// The changelog's section.
    notes: String,
}

impl Release {
    /// Fails where the tree has changes, the tag is there, the version is no higher one, or nothing is to be released.
    fn plan(root: &Path, version: &str, today: &str) -> Result<Self> {
        let changes = output(git(root).args(["status", "--porcelain"]))?;
        if !changes.trim().is_empty() {
            bail!("the working tree has changes; commit or remove them first:\n{changes}");
        }
        let read =
            |path: &str| fs::read_to_string(root.join(path)).with_context(|| format!("reading {path}"));
        let manifest = read(CARGO)?;
        let current = between(&manifest, "[workspace.package]\nversion = \"", "\"")
            .context("Cargo.toml has no [workspace.package] that begins with its version")?;
        let (Some(now), Some(next)) = (numbers(current), numbers(version)) else {
            bail!("a version is three numbers, such as 1.2.3; {current} is followed by no {version}");
        };
        if next <= now {
            bail!("{version} is not higher than {current}");
        }
        let mut release = Self {
            root: root.to_owned(),
            version: version.to_owned(),
            files: Vec::new(),
            notes: String::new(),
        };
        let tag = release.tag();
        if !output(git(root).args(["tag", "--list", &tag]))?.trim().is_empty() {
            bail!("the tag {tag} is there already");
        }
        let (changelog, notes) = dated(&read(CHANGELOG)?, version, today)?;
        release.notes = notes;
        release.files.push((CHANGELOG.into(), changelog));
        for (path, before, after) in VERSIONS {
            let text = read(path)?;
            let old = format!("{before}{current}{after}");
            if !text.contains(&old) {
                bail!("{path} does not hold the current version as `{}`", old.trim());
            }
            let text = text.replace(&old, &format!("{before}{version}{after}"));
            release.files.push((path.into(), text));
        }
        let lock = locked(&read(LOCK)?, current, version);
        release.files.push((LOCK.into(), lock));
        Ok(release)
    }

    fn carry_out(&self) -> Result<()> {
        for (path, content) in &self.files {
            fs::write(self.root.join(path), content)
                .with_context(|| format!("writing {}", path.display()))?;
        }
        let message = format!("Release {}", self.version);
        execute(git(&self.root).args(["commit", "--all", "--quiet", "--message", &message]))?;
        execute(git(&self.root).args(["tag", "--annotate", &self.tag(), "--message", &message]))
    }

    fn tag(&self) -> String {
        format!("v{}", self.version)
    }
}

const CARGO: &str = "Cargo.toml";
const CHANGELOG: &str = "CHANGELOG.md";
const LOCK: &str = "Cargo.lock";

/// Where else the version stands: file, what is before it, what is behind it.
const VERSIONS: [(&str, &str, &str); 11] = [
    (CARGO, "[workspace.package]\nversion = \"", "\""),
    ("uploader-wasm/npm/package.json", "\n  \"version\": \"", "\""),
    ("coordinator-core/openapi.json", "\n    \"version\": \"", "\""),
    ("examples/README.md", "syncsphere-uploader-", ".tgz"),
    ("examples/angular/package.json", DEPENDENCY, "\""),
    ("examples/astro/package.json", DEPENDENCY, "\""),
    ("examples/nextjs/package.json", DEPENDENCY, "\""),
    ("examples/nuxt/package.json", DEPENDENCY, "\""),
    ("examples/react-router/package.json", DEPENDENCY, "\""),
    ("examples/sveltekit/package.json", DEPENDENCY, "\""),
    ("examples/vue/package.json", DEPENDENCY, "\""),
];

const DEPENDENCY: &str = "\"@syncsphere/uploader\": \"^";

fn git(root: &Path) -> Command {
    let mut git = Command::new("git");
    git.current_dir(root);
    git
}

fn numbers(version: &str) -> Option<[u64; 3]> {
    let parts: Vec<u64> = version
        .split('.')
        .map(|part| part.parse().ok())
        .collect::<Option<_>>()?;
    // `01` and `+1` are numbers, and no part of a version.
    let as_written = parts.iter().map(u64::to_string).collect::<Vec<_>>().join(".");
    (as_written == version).then(|| parts.try_into().ok())?
}

fn between<'a>(text: &'a str, before: &str, after: &str) -> Option<&'a str> {
    text.split_once(before)?
        .1
        .split_once(after)
        .map(|(found, _)| found)
}

/// The changelog with what was unreleased under the version and its date, and that section's text.
fn dated(changelog: &str, version: &str, today: &str) -> Result<(String, String)> {
    const HEADING: &str = "## [Unreleased]\n";
    let (before, after) = changelog
        .split_once(HEADING)
        .context("CHANGELOG.md has no section [Unreleased]")?;
    let end = after.find("\n## [").map_or(after.len(), |end| end + 1);
    let (section, rest) = after.split_at_checked(end).unwrap_or((after, ""));
    if !section.lines().any(|line| line.starts_with("- ")) {
        bail!("CHANGELOG.md has nothing under [Unreleased]: there is nothing to release");
    }
    let notes = section.trim().to_owned();
    let gap = if rest.is_empty() { "" } else { "\n" };
    let dated = format!("{before}{HEADING}\n## [{version}] - {today}\n\n{notes}\n{gap}{rest}");
    Ok((dated, notes))
}

/// Cargo.lock with the version of our own crates, which are those without a source.
fn locked(lock: &str, current: &str, version: &str) -> String {
    let old = format!("\nversion = \"{current}\"\n");
    let new = format!("\nversion = \"{version}\"\n");
    let packages = lock.split("[[package]]").map(|package| {
        if package.contains("\nsource = ") {
            package.to_owned()
        } else {
            package.replacen(&old, &new, 1)
        }
    });
    packages.collect::<Vec<_>>().join("[[package]]")
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::PathBuf;

    use super::{Release, VERSIONS, git};
    use crate::process::{execute, output};
    use crate::workspace;

    #[test]
    fn a_release_writes_every_version_and_the_date_commits_and_tags() {
        let copy = Copy::new("whole");
        let release = Release::plan(&copy.0, "9.8.7", "2030-01-02").unwrap();
        assert!(
            output(git(&copy.0).args(["status", "--porcelain"]))
                .unwrap()
                .is_empty()
        );
        release.carry_out().unwrap();

        for (path, before, after) in VERSIONS {
            assert!(
                copy.read(path).contains(&format!("{before}9.8.7{after}")),
                "{path}"
            );
        }
        let changelog = copy.read("CHANGELOG.md");
        assert!(
            changelog.contains("## [Unreleased]\n\n## [9.8.7] - 2030-01-02\n\n### "),
            "{changelog}"
        );
        let lock = copy.read("Cargo.lock");
        assert!(lock.contains("name = \"syncsphere-protocol\"\nversion = \"9.8.7\"\n"));
        assert_eq!(
            lock.matches("\"9.8.7\"").count(),
            lock.matches("\nname = \"syncsphere-").count() + 1,
            "our own crates and xtask alone"
        );
        let log = output(git(&copy.0).args(["log", "--format=%s", "-1", "v9.8.7"])).unwrap();
        assert_eq!(log.trim(), "Release 9.8.7");
        assert!(
            output(git(&copy.0).args(["status", "--porcelain"]))
                .unwrap()
                .is_empty()
        );
        // Nothing is left under [Unreleased] now.
        assert!(copy.refusal("9.8.8").contains("nothing to release"));
        assert!(copy.refusal("9.8.7").contains("not higher"));
    }

    #[test]
    fn a_release_is_refused_with_changes_a_tag_or_no_higher_version() {
        let copy = Copy::new("refused");
        for (version, because) in [
            ("0.0.9", "not higher"),
            ("1.2", "three numbers"),
            ("1.2.3-rc.1", "three numbers"),
            ("1.2.03", "three numbers"),
            ("v1.2.3", "three numbers"),
        ] {
            let told = copy.refusal(version);
            assert!(told.contains(because), "{version}: {told}");
        }
        execute(git(&copy.0).args(["tag", "v1.2.3"])).unwrap();
        assert!(copy.refusal("1.2.3").contains("is there already"));
        fs::write(copy.0.join("new"), "").unwrap();
        assert!(copy.refusal("1.2.4").contains("has changes"));
    }

    /// A repository with the files of ours that a release writes.
    struct Copy(PathBuf);

    impl Copy {
        fn new(name: &str) -> Self {
            let folder = std::env::temp_dir().join(format!("xtask-release-{name}-{}", std::process::id()));
            let copy = Self(folder);
            let files = VERSIONS.iter().map(|(path, ..)| *path);
            for path in files.chain(["CHANGELOG.md", "Cargo.lock"]) {
                fs::create_dir_all(copy.0.join(path).parent().unwrap()).unwrap();
                fs::copy(workspace::path(path), copy.0.join(path)).unwrap();
            }
            for arguments in [
                ["init", "--quiet", "."].as_slice(),
                &["config", "user.name", "Test"],
                &["config", "user.email", "test@localhost"],
                &["config", "commit.gpgsign", "false"],
                &["add", "--all"],
                &["commit", "--quiet", "--message", "Begin"],
            ] {
                execute(git(&copy.0).args(arguments)).unwrap();
            }
            copy
        }

        fn read(&self, path: &str) -> String {
            fs::read_to_string(self.0.join(path)).unwrap()
        }

        fn refusal(&self, version: &str) -> String {
            let refused = Release::plan(&self.0, version, "2030-01-02").err();
            refused.map_or_else(String::new, |error| format!("{error:#}"))
        }
    }

    impl Drop for Copy {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }
}
