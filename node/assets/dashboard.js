// The entry of the page's scripts. Every page works without them; they keep it up to date.

import { follow } from "./live.js";
import { openInPlace } from "./map.js";
import { tellTimes } from "./times.js";

tellTimes();
follow();
openInPlace();
