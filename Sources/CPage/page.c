#include "page.h"

static const unsigned char html[] = {
#embed "page/index.html"
};
static const unsigned char style[] = {
#embed "page/style.css"
};
static const unsigned char icon[] = {
#embed "page/icon.svg"
};
static const unsigned char app[] = {
#embed "page/app.js"
};
static const unsigned char card[] = {
#embed "page/card.js"
};
static const unsigned char intake[] = {
#embed "page/intake.js"
};
static const unsigned char picture[] = {
#embed "page/picture.js"
};
static const unsigned char requests[] = {
#embed "page/requests.js"
};
static const unsigned char rows[] = {
#embed "page/rows.js"
};

#define FILE(name, type, bytes) {name, type, bytes, sizeof bytes}
#define SCRIPT "text/javascript; charset=utf-8"

static const gx_page_file files[] = {
    FILE("", "text/html; charset=utf-8", html),
    FILE("style.css", "text/css; charset=utf-8", style),
    FILE("icon.svg", "image/svg+xml", icon),
    FILE("app.js", SCRIPT, app),
    FILE("card.js", SCRIPT, card),
    FILE("intake.js", SCRIPT, intake),
    FILE("picture.js", SCRIPT, picture),
    FILE("requests.js", SCRIPT, requests),
    FILE("rows.js", SCRIPT, rows),
};

const size_t gx_page_count = sizeof files / sizeof *files;
const gx_page_file *gx_page_files(void) { return files; }
