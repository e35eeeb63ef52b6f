// Jobs side by side.

import { drawAll } from "./charts.js";

drawAll();
