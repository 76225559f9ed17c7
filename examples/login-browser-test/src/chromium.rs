//! Chromium without a window, driven over WebDriver.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use fantoccini::error::{CmdError, ErrorStatus};
use fantoccini::{Client, ClientBuilder, Locator};
use hyper_util::client::legacy::connect::HttpConnector;
use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use crate::Result;

/// How long the browser may take for anything.
const PATIENCE: Duration = Duration::from_secs(15);

/// A running Chromium and its driver. Both are killed when this is dropped.
pub struct Browser {
    client: Client,
    _driver: Driver,
}

impl Browser {
    /// Starts it with the profile in this folder.
    pub async fn open(profile: &Path) -> Result<Self> {
        Browser::with_settings(profile, json!({})).await
    }

    /// Starts it as a visitor has it who has switched JavaScript off.
    pub async fn open_without_scripts(profile: &Path) -> Result<Self> {
        let off = json!({ "profile.managed_default_content_settings.javascript": 2 });
        Browser::with_settings(profile, off).await
    }

    async fn with_settings(profile: &Path, settings: Value) -> Result<Self> {
        let (driver, address) = Driver::start().await?;
        let profile = profile.to_str().ok_or("the path is not text")?;
        let options = json!({
            "args": [
                "--headless=new",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-dev-shm-usage",
                "--disable-quic",
                "--no-first-run",
                "--disable-background-networking",
                "--disable-component-update",
                "--disable-sync",
                format!("--user-data-dir={profile}"),
            ],
            "prefs": settings,
        });
        let client = ClientBuilder::new(HttpConnector::new())
            .capabilities(
                [("goog:chromeOptions".to_owned(), options)]
                    .into_iter()
                    .collect(),
            )
            .connect(&address)
            .await?;
        Ok(Browser {
            client,
            _driver: driver,
        })
    }

    /// Closes it as its user does, so that the profile is written.
    pub async fn quit(self) -> Result {
        Ok(self.client.close().await?)
    }

    /// Opens a page and waits until it is there.
    ///
    /// # Errors
    ///
    /// When the browser cannot.
    pub async fn goto(&self, url: &str) -> Result {
        Ok(self.client.goto(url).await?)
    }

    /// Loads the page again.
    ///
    /// # Errors
    ///
    /// When the browser cannot.
    pub async fn reload(&self) -> Result {
        Ok(self.client.refresh().await?)
    }

    /// Goes back, as the button does.
    ///
    /// # Errors
    ///
    /// When the browser cannot.
    pub async fn back(&self) -> Result {
        Ok(self.client.back().await?)
    }

    /// Opens another tab and goes on there; [`switch_to_tab`](Self::switch_to_tab) counts from 0.
    pub async fn open_tab(&self) -> Result {
        let tab = self.client.new_window(true).await?;
        Ok(self.client.switch_to_window(tab.handle).await?)
    }

    /// Goes to a tab, counted from 0 in the order in which they were opened.
    ///
    /// # Errors
    ///
    /// When the browser cannot.
    pub async fn switch_to_tab(&self, position: usize) -> Result {
        let mut tabs = self.client.windows().await?;
        Ok(self
            .client
            .switch_to_window(tabs.swap_remove(position))
            .await?)
    }

    /// The page's title.
    ///
    /// # Errors
    ///
    /// When the browser cannot.
    pub async fn title(&self) -> Result<String> {
        Ok(self.client.title().await?)
    }

    /// The value of a cookie that the page got, if there is one.
    pub async fn cookie(&self, name: &str) -> Result<Option<String>> {
        match self.client.get_named_cookie(name).await {
            Ok(cookie) => Ok(Some(cookie.value().to_owned())),
            Err(CmdError::Standard(error)) if error.error == ErrorStatus::NoSuchCookie => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Types into a field.
    ///
    /// # Errors
    ///
    /// When the browser cannot.
    pub async fn fill(&self, css: &str, text: &str) -> Result {
        let field = self.client.wait().at_most(PATIENCE);
        Ok(field
            .for_element(Locator::Css(css))
            .await?
            .send_keys(text)
            .await?)
    }

    /// Clicks an element.
    ///
    /// # Errors
    ///
    /// When the browser cannot.
    pub async fn click(&self, css: &str) -> Result {
        let wait = self.client.wait().at_most(PATIENCE);
        Ok(wait.for_element(Locator::Css(css)).await?.click().await?)
    }

    /// Waits until the texts of all such elements are these.
    pub async fn expect(&self, css: &str, expected: &[&str]) -> Result {
        let mut seen = Vec::new();
        let shown = async {
            loop {
                // An element may go with its page while it is asked.
                if let Ok(texts) = self.texts(css).await {
                    if texts == expected {
                        return;
                    }
                    seen = texts;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        match tokio::time::timeout(PATIENCE, shown).await {
            Ok(()) => Ok(()),
            Err(_) => Err(format!("{css} should be {expected:?}, but is {seen:?}").into()),
        }
    }

    /// The texts of all such elements, now.
    pub async fn texts(&self, css: &str) -> Result<Vec<String>> {
        let mut texts = Vec::new();
        for element in self.client.find_all(Locator::Css(css)).await? {
            texts.push(element.text().await?);
        }
        Ok(texts)
    }

    /// What the stylesheet makes of a property of an element.
    pub async fn style(&self, css: &str, property: &str) -> Result<String> {
        let element = self.client.find(Locator::Css(css)).await?;
        Ok(element.css_value(property).await?)
    }
}

/// A running chromedriver, and whatever it started: a process group of their own.
struct Driver(Child);

impl Driver {
    async fn start() -> Result<(Self, String)> {
        let mut process = Command::new("chromedriver")
            .arg("--port=0")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()?;
        let stdout = process.stdout.take().ok_or("no output")?;
        let driver = Driver(process);
        let mut lines = BufReader::new(stdout).lines();
        while let Some(line) = lines.next_line().await? {
            if let Some((_, port)) = line.split_once("started successfully on port ") {
                let address = format!("http://127.0.0.1:{}", port.trim_end_matches('.'));
                tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
                return Ok((driver, address));
            }
        }
        Err("chromedriver ended without saying where it listens".into())
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        let id = self.0.id().and_then(|id| i32::try_from(id).ok());
        if let Some(group) = id.and_then(Pid::from_raw) {
            // If nobody is left in the group, all is well.
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}
