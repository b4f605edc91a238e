//! A config that is read again and again: the main file, and a file for each tenant. What has the bytes of the last time is
//! not parsed again.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use toml::de::DeTable;

use super::admin::Scope;
use super::config::Config;
use super::elsewhere::FilesTaken;
use super::machine::Machine;
use super::problem::{Place, Problem, Problems};
use super::references::References;
use super::section::Section;
use super::shown::{self, SettingsOf, Shown};
use super::source::{ReadMode, Source};
use super::tenant::{ReadTenant, TenantReading};
use super::tenant_files::TenantFiles;
use super::tls::TlsSettings;
use super::watch::ConfigSources;
use super::{admin, backplane, ceilings, claims, plugins, sandbox, server, utf8};

/// Bytes of the main file at most: a wrong path does not read a disk into memory.
const FILE_BYTES: u64 = 16 * 1_048_576;

/// A config's files, and what was read of them the last time.
#[derive(Debug)]
pub struct ConfigReader {
    path: PathBuf,
    machine: Machine,
    /// Whether it is to be shown.
    shows: bool,
    main: Option<MainFile>,
    tenants: TenantFiles,
}

/// The main file on its own.
#[derive(Clone, Debug)]
struct MainFile {
    sha256: [u8; 32],
    /// Without the tenants.
    config: Config,
    tenants: Vec<ReadTenant>,
    /// It has no `[[tenants]]`, or an empty list.
    is_without_tenants: bool,
    /// Where `server.tenants_dir` stands.
    tenants_dir: Place,
    references: References,
    problems: Vec<Problem>,
    /// What it was made of beside its own bytes.
    taken: FilesTaken,
    /// If it is to be shown.
    shown: Option<Shown>,
}

// === impl ConfigReader ===

impl ConfigReader {
    /// The config in the file at `path`, which is not read yet.
    pub fn new(path: &Path) -> Self {
        Self::on(path, Machine::here())
    }

    /// It is to be [shown](Self::shown) when it was read.
    #[must_use]
    pub fn showing(self) -> Self {
        Self { shows: true, ..self }
    }

    pub(super) fn on(path: &Path, machine: Machine) -> Self {
        Self {
            path: path.to_owned(),
            machine,
            shows: false,
            main: None,
            tenants: TenantFiles::default(),
        }
    }

    /// Reads it, again or for the first time.
    ///
    /// # Errors
    /// Everything that is wrong with it, or why it cannot be read; of a file with syntax errors only the first of those.
    pub fn read(&mut self) -> Result<Config, Problems> {
        let read = regular_file::read(&self.path, FILE_BYTES);
        let bytes = read.map_err(|error| Place::file(&*self.path).problem(format!("cannot be read: {error}")))?;
        let text = utf8::text(&self.path, &bytes)?;
        self.parse(text)
    }

    /// The files that it is made of, as far as they are known: those that the main file names, if that could be parsed.
    pub fn sources(&self) -> ConfigSources {
        let config = self.main.as_ref().map(|main| &main.config);
        let plugins = config.into_iter().flat_map(|config| &config.plugins);
        let main = std::iter::once(self.path.clone());
        let server = config.into_iter().map(|config| &config.server);
        let tls = server.flat_map(|server| server.tls.iter().chain(&server.admin_tls));
        let files = main.chain(plugins.map(|plugin| plugin.path.clone()));
        let of_tenants = self.tenants.iter().map(|(_, file)| &file.taken);
        let taken = self.main.iter().map(|main| &main.taken).chain(of_tenants);
        let taken: BTreeSet<_> = taken.flat_map(FilesTaken::paths).cloned().collect();
        ConfigSources {
            taken: taken.into_iter().collect(),
            files: files.chain(tls.flat_map(TlsSettings::sources)).collect(),
            tenants_dir: config.and_then(|config| config.server.tenants_dir.clone()),
        }
    }

    /// What was last read, as TOML: with what is left out there, and without secrets.
    ///
    /// # Panics
    /// It was not read [to be shown](Self::showing).
    pub fn shown(&self, settings_of: &SettingsOf<'_>) -> String {
        let main = self.main.as_ref().and_then(|main| main.shown.as_ref());
        let tenants = self.tenants.iter();
        let tenants = tenants.filter_map(|(path, file)| Some((path.as_path(), file.shown.as_ref()?)));
        shown::print(main.expect("it was read to be shown"), tenants, settings_of)
    }

    fn mode(&self) -> ReadMode {
        ReadMode {
            variable: self.machine.variable,
            shows: self.shows,
        }
    }

    /// Reads it as if `text` stood in the main file.
    pub(super) fn parse(&mut self, text: &str) -> Result<Config, Problems> {
        let sha256 = Sha256::digest(text).into();
        let main = match self.main.take() {
            Some(main) if main.sha256 == sha256 && main.taken.are_same() => main,
            _ => self.parse_main(text, sha256)?,
        };
        let mode = self.mode();
        let mut problems = main.problems.clone();
        let main = self.main.insert(main);
        let mut config = main.config.clone();
        let files = if let Some(directory) = &config.server.tenants_dir {
            let place = &main.tenants_dir;
            self.tenants
                .read(directory, place, &config.plugins, mode, &mut problems)
        } else {
            self.tenants = TenantFiles::default();
            Vec::new()
        };
        let of_files = files.iter().filter_map(|file| file.tenant.as_ref());
        let tenants = main.tenants.iter().chain(of_files);
        claims::check(tenants.clone(), &mut problems);
        let names = tenants.clone().map(|read| &*read.tenant.name);
        let may_push = config.admin.keys.iter().any(|key| key.scopes.contains(&Scope::Tenants));
        let come_and_go = config.server.tenants_dir.is_some() || may_push;
        main.references
            .check(names, come_and_go, &mut problems, &mut config.warnings);
        if !come_and_go && main.is_without_tenants {
            let place = Place::file(&*self.path).at_line(1).child("tenants");
            problems.push(place.problem("there is no tenant").hint("add [[tenants]] with a name"));
        }
        config.tenants = tenants.map(|read| read.tenant.clone()).collect();
        for file in &files {
            problems.extend_from_slice(&file.problems);
            config.warnings.extend_from_slice(&file.warnings);
        }
        if problems.is_empty() {
            Ok(config)
        } else {
            Err(problems.into())
        }
    }

    /// The main file that `text` is. One whose syntax is wrong is an error.
    fn parse_main(&self, text: &str, sha256: [u8; 32]) -> Result<MainFile, Problems> {
        let source = Source::own(&*self.path, text, self.mode());
        let document = source.document(text);
        let main = document.as_ref().map(|table| {
            let main = self.main_file(&source, table.get_ref(), sha256);
            // It knows what was left out when all was read.
            let shown = Shown::of(&source, table.get_ref());
            MainFile { shown, ..main }
        });
        let told = source.into_told();
        let Some(mut main) = main else {
            return Err(told.problems.into());
        };
        main.config.warnings = told.warnings;
        main.problems = told.problems;
        main.taken = told.files;
        Ok(main)
    }

    fn main_file(&self, source: &Source, table: &DeTable<'_>, sha256: [u8; 32]) -> MainFile {
        let base = self.path.parent().unwrap_or(Path::new(""));
        let mut references = References::default();
        let mut root = Section::root(source, table);
        let plugins = plugins::read(&root.section("plugins"), base);
        let reading = TenantReading {
            plugins: &plugins,
            ceilings: None,
            name: None,
        };
        let tenants = root
            .value("tenants")
            .map_or_else(|| Some(Vec::new()), |value| value.list());
        let is_without_tenants = tenants.as_ref().is_some_and(Vec::is_empty);
        let tenants = tenants.unwrap_or_default();
        let tenants = tenants.iter().map(|item| reading.tenant(item.section())).collect();
        let mut server = root.section("server");
        let tenants_dir = server.place_of("tenants_dir");
        let server = server::read(server, base, &self.machine, &mut references);
        let sandbox = sandbox::read(root.section("sandbox"));
        let ceilings = ceilings::read(root.section("ceilings"));
        let backplane = backplane::read(root.section("backplane"), base);
        let admin = admin::read(root.section("admin"), base, &mut references);
        root.finish();
        MainFile {
            sha256,
            config: Config {
                path: self.path.clone(),
                server,
                sandbox,
                ceilings,
                backplane,
                admin,
                plugins,
                tenants: Vec::new(),
                warnings: Vec::new(),
            },
            tenants,
            is_without_tenants,
            tenants_dir,
            references,
            problems: Vec::new(),
            taken: FilesTaken::default(),
            shown: None,
        }
    }
}
