import { start } from "./App";
import { BrowserPage } from "./pages/BrowserPage";

start("browser", BrowserPage);
