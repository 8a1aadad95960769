//! A headless Chromium that a test drives through chromedriver, over its HTTP protocol (WebDriver).
//!
//! It reaches the loopback only: everything else goes to a proxy that is not there.

use crate::distribution::http::Request;
use crate::distribution::server::wait_for;
use serde_json::{Value, json};
use std::process::{Child, Command, Stdio};

/// Whose elements have this name, by the protocol.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

pub struct Browser {
    driver: Child,
    address: String,
    session: String,
    _dir: tempfile::TempDir,
}

impl Browser {
    /// Starts one with nothing open.
    pub fn start() -> Self {
        let dir = tempfile::Builder::new().prefix("teu-it-browser-").tempdir().expect("a folder");
        let log = dir.path().join("driver.out");
        let out = std::fs::File::create(&log).expect("creates");
        let driver = Command::new("chromedriver")
            .args(["--port=0", "--allowed-ips=127.0.0.1"])
            .env("HOME", dir.path())
            .stdin(Stdio::null())
            .stdout(out)
            .stderr(Stdio::null())
            .spawn()
            .expect("chromedriver is installed (Debian: chromium-driver)");
        let port = wait_for(|| {
            let text = std::fs::read_to_string(&log).unwrap_or_default();
            let rest = text.split("successfully on port ").nth(1)?;
            rest.split('.').next()?.trim().parse::<u16>().ok()
        });
        let mut browser = Self {
            driver,
            address: format!("127.0.0.1:{port}"),
            session: String::new(),
            _dir: dir,
        };
        let data = browser._dir.path().join("data").display().to_string();
        let flags = [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--disable-dev-shm-usage",
            "--proxy-server=http://127.0.0.1:1",
            &format!("--user-data-dir={data}"),
        ];
        let wanted =
            json!({ "goog:chromeOptions": { "args": flags, "binary": "/usr/bin/chromium" } });
        let capabilities = json!({ "capabilities": { "alwaysMatch": wanted } });
        let made = browser.post("/session", &capabilities);
        browser.session = made["sessionId"].as_str().expect("a session").to_owned();
        browser
    }

    fn post(&self, path: &str, body: &Value) -> Value {
        let request = Request::post(path).header("Content-Type", "application/json");
        let answer = request.body(body.to_string().as_bytes()).send(&self.address);
        let value = answer.json()["value"].take();
        assert_eq!(answer.status, 200, "{path}: {value}");
        value
    }

    fn of_session(&self, path: &str) -> String {
        format!("/session/{}{path}", self.session)
    }

    /// Goes to a page and waits until it is there.
    pub fn open(&self, url: &str) {
        self.post(&self.of_session("/url"), &json!({ "url": url }));
    }

    /// Clicks on the first element that a CSS selector finds.
    pub fn click(&self, selector: &str) {
        let find = json!({ "using": "css selector", "value": selector });
        let found = self.post(&self.of_session("/element"), &find);
        let id = found[ELEMENT].as_str().expect("an element").to_owned();
        self.post(&self.of_session(&format!("/element/{id}/click")), &json!({}));
    }

    /// The text of the page as a person sees it.
    pub fn text(&self) -> String {
        let script = json!({ "script": "return document.body.innerText", "args": [] });
        let text = self.post(&self.of_session("/execute/sync"), &script);
        text.as_str().unwrap_or_default().to_owned()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Ends Chromium, which would outlive its driver.
        let _ = Request::delete(&self.of_session("")).try_send(&self.address);
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}
