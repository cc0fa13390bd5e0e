//! Removing objects.

use http::Request;
use serde::Serialize;
use syncsphere_protocol::Md5;

use super::client::{NAMESPACE, REQUEST_TIMEOUT, S3, xml};
use super::failure::S3Failure;
use crate::ports::Storage;

impl<S: Storage> S3<'_, S> {
    /// Removes an object; one that is not there is removed already.
    pub(crate) async fn delete(&self, key: &str) -> Result<(), S3Failure> {
        let request = Request::delete(self.object(key, &[]));
        self.send(request, Vec::new(), REQUEST_TIMEOUT).await.map(drop)
    }

    /// Removes up to 1,000 objects by one request. What it leaves it names in its answer, which is not read: for those that
    /// somebody else removes once more.
    ///
    /// Source: <https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObjects.html>
    pub(crate) async fn delete_all(&self, keys: &[&str]) -> Result<(), S3Failure> {
        if let [only] = keys {
            return self.delete(only).await;
        }
        let body = deletion_body(keys)?;
        let request = Request::post(self.object("", &[("delete", None)]))
            .header("content-type", "application/xml")
            .header("content-md5", Md5::of(&body).to_string());
        self.send(request, body, REQUEST_TIMEOUT).await.map(drop)
    }
}

fn deletion_body(keys: &[&str]) -> Result<Vec<u8>, S3Failure> {
    #[derive(Serialize)]
    #[serde(rename = "Delete")]
    struct Body<'a> {
        #[serde(rename = "@xmlns")]
        namespace: &'static str,
        #[serde(rename = "Quiet")]
        is_quiet: bool,
        #[serde(rename = "Object")]
        objects: Vec<Object<'a>>,
    }
    #[derive(Serialize)]
    struct Object<'a> {
        #[serde(rename = "Key")]
        key: &'a str,
    }
    let body = Body {
        namespace: NAMESPACE,
        is_quiet: true,
        objects: keys.iter().map(|key| Object { key }).collect(),
    };
    xml(&body)
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    #[test]
    fn keys_are_named_as_xml() {
        let body = String::from_utf8(deletion_body(&["a<b", "c"]).unwrap()).unwrap();
        assert_eq!(
            body,
            "<Delete xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Quiet>true</Quiet>\
             <Object><Key>a&lt;b</Key></Object><Object><Key>c</Key></Object></Delete>"
        );
    }
}
