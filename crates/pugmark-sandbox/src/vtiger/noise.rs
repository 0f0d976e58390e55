//! What PHP prints in front of an answer when `display_errors` is on.

use super::failure::Failure;
use crate::wire::{PHP_HTML, Reply};

const ROOT: &str = "/var/www/html/vtigercrm/";

/// PHP buffers so many bytes of output; once they are exceeded the headers are sent and the content type is fixed.
const OUTPUT_BUFFER: usize = 4096;

/// Modules whose language files are looked for, each with two warnings.
const LANGUAGES: [&str; 26] = [
    "Vtiger",
    "Campaigns",
    "Vendors",
    "Faq",
    "Quotes",
    "PurchaseOrder",
    "SalesOrder",
    "Invoice",
    "PriceBooks",
    "Calendar",
    "Leads",
    "Accounts",
    "Contacts",
    "Potentials",
    "Products",
    "Documents",
    "Emails",
    "HelpDesk",
    "Events",
    "Users",
    "PBXManager",
    "ServiceContracts",
    "Services",
    "ProjectTask",
    "Project",
    "ModComments",
];

/// Puts PHP's warnings in front of a reply. A program that died answers with the fatal error's text instead, with HTTP 200.
pub(super) fn add(reply: &mut Reply, operation: &str, failure: Option<&Failure>) {
    let mut noise = preamble();
    if failure == Some(&Failure::Fatal) {
        noise.push_str(&fatal_error());
        *reply = Reply::new(200, PHP_HTML, noise);
        return;
    }
    noise.push_str(&warning(
        "string",
        "include/Webservices/OperationManager.php",
        138,
    ));
    if !matches!(
        operation,
        "getchallenge" | "login" | "extendsession" | "logout"
    ) {
        for module in LANGUAGES {
            noise.push_str(&warning(
                &format!("{ROOT}includes/../languages/en_us/{module}.php"),
                LANGUAGE_HANDLER,
                135,
            ));
            let custom = format!("{ROOT}includes/../languages/custom/en_us/{module}.php");
            noise.push_str(&warning(&custom, LANGUAGE_HANDLER, 150));
        }
    }
    if noise.len() > OUTPUT_BUFFER {
        reply.content_type = PHP_HTML;
        noise.push_str(&headers_sent());
    }
    reply.body.insert_str(0, &noise);
}

const LANGUAGE_HANDLER: &str = "includes/runtime/LanguageHandler.php";

fn preamble() -> String {
    let mut out = String::new();
    for key in ["format", "sessionName"] {
        for line in [142, 145] {
            out.push_str(&warning(key, "include/Webservices/Utils.php", line));
        }
    }
    out
}

fn warning(key: &str, file: &str, line: u32) -> String {
    format!(
        "<br />\n<b>Warning</b>:  Undefined array key \"{key}\" in <b>{ROOT}{file}</b> on line <b>{line}</b><br />\n"
    )
}

fn headers_sent() -> String {
    format!(
        "<br />\n<b>Warning</b>:  Cannot modify header information - headers already sent by (output started at \
         {ROOT}{LANGUAGE_HANDLER}:150) in <b>{ROOT}webservice.php</b> on line <b>48</b><br />\n"
    )
}

fn fatal_error() -> String {
    format!(
        "<br />\n<b>Fatal error</b>:  Uncaught WebServiceException: Unknown operation requested in \
         {ROOT}include/Webservices/OperationManager.php:89\n  thrown in \
         <b>{ROOT}include/Webservices/OperationManager.php</b> on line <b>89</b><br />\n"
    )
}
